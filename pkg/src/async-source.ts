// Asks the iterator of a caller's async rows for them as `for await` does. It may be any object.

/** Asks for the next row. What the source throws becomes a rejection, and its answer need not be a promise. */
export async function nextOf<T>(source: AsyncIterator<T>): Promise<IteratorResult<T>> {
  return source.next();
}

/**
 * Tells a source that no more rows are wanted. To be called unless it has ended or failed by itself. It is not waited
 * for, since it may never answer, and what it throws would hide why no more are wanted.
 */
export function leave(source: AsyncIterator<unknown>): void {
  void (async () => source.return?.())().catch(() => {});
}
