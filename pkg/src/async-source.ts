// Calls the iterator of a caller's async rows as `for await` does. The iterator may be any object.

/** Asks for the next row. An error that the source throws becomes a rejection, and its answer need not be a promise. */
export async function nextOf<T>(source: AsyncIterator<T>): Promise<IteratorResult<T>> {
  return source.next();
}

/**
 * Tells a source that no more rows are wanted. Call it unless the source has ended or failed by itself. Its answer is
 * not awaited, since it may never come, and its error is ignored, since it would hide why no more rows are wanted.
 */
export function leave(source: AsyncIterator<unknown>): void {
  void (async () => source.return?.())().catch(() => {});
}
