/** Number of concurrent calls: enough to keep a medium busy, few enough for the limit on open files. */
const AT_ONCE = 16;

/**
 * Calls `run` for each item, several at a time. Returns the results in the order of the items. After a failure it
 * starts no more calls, and rejects once the running ones have ended.
 */
export async function each<T, R>(items: readonly T[], run: (item: T) => Promise<R>): Promise<R[]> {
  const results = new Array<R>(items.length);
  let next = 0;
  const worker = async () => {
    while (next < items.length) {
      const at = next++;
      try {
        results[at] = await run(items[at]!);
      } catch (error) {
        next = items.length;
        throw error;
      }
    }
  };
  const workers = await Promise.allSettled(Array.from({ length: Math.min(AT_ONCE, items.length) }, worker));
  for (const outcome of workers) if (outcome.status === "rejected") throw outcome.reason;
  return results;
}
