// Contenders take turns. If one fails, the run continues without it and the report says why.

/** Does `work` for each runner that has not failed, one after the other. */
export async function each(runners, work) {
  for (const runner of runners) {
    if (runner.failed) continue;
    try {
      await work(runner);
    } catch (error) {
      await leave(runner, error);
    }
  }
}

/** Marks a contender as failed, with its error in one line. */
export async function leave(runner, error) {
  runner.failed = true;
  const reason = error.message.split("\n")[0];
  runner.result.notRun = (reason.startsWith(`${runner.name}, `) ? reason.slice(runner.name.length + 2) : reason).slice(0, 300);
  console.error(`goes on without ${runner.name}: ${runner.result.notRun}`);
  // The process of searches without rerank is that of another contender.
  if (!runner.result.noRerankOf) await runner.process?.close();
}
