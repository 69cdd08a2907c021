// The interface's tests that cannot apply to an index in a worker, with the reason.
const FILTER = "a filter that is a function is refused";
const CLOCK = "the clock that it sets is that of its own thread";
const INSIDE = "it looks into an instance of WebAssembly, or takes its place: that is in the worker";
const MIRRORED = "what it reads is as of the last call that has settled";
const MAINTAIN = "maintain has asked the worker, and does not wait for the answer";
const ITS_OWN = "each call comes to the worker by itself";
const MANY = "it makes hundreds, each of which would start a worker";
const WAITS = "what waits, waits in the worker";

/** By file, the test's name or its beginning or end. */
export const REASONS = {
  "burst.test.mjs": [
    [/^most of a burst waits for its links/, ITS_OWN],
    [/: bursts of inserts, upserts, deletes and expiries/, ITS_OWN],
    [/: a burst is stored together, and is there after closing at once$/, ITS_OWN],
    [/^the promise of each insert settles when its record is linked/, ITS_OWN],
    [/^export, reload and erasing end while bursts go on$/, "its calls come faster than the worker answers them"],
    [/^records of a burst expire like any others/, CLOCK],
  ],
  "closing.test.mjs": [
    [/^what is still under way after half of the time is CLOSED/, "what it runs may end while it makes the rows, on its own thread"],
    [/^a checkpoint that has failed is tried again although nobody asks/, CLOCK],
    [/^a failure that a later checkpoint has mended is told to nobody/, CLOCK],
    [/^a closed index tries no checkpoint again/, CLOCK],
    [/^a failure is told while the checkpoint is tried again$/, CLOCK],
  ],
  "bulk-stored.test.mjs": [[/^idle time that comes while rows wait/, CLOCK]],
  "hostile.test.mjs": [[/^a filter that gives away/, FILTER], [/^a filter's error reaches the caller/, FILTER]],
  "close.test.mjs": [[/^memory comes back: many indexes/, MANY]],
  "cold.test.mjs": [
    [/^closing while what is over the budget is being given up/, ITS_OWN],
    [/^a filter that accepts nothing is asked about every live record/, FILTER],
    [/^a filter that throws does so also when its search has to read/, FILTER],
    [/^a search that is aborted while its store does not answer ends at once/, FILTER],
  ],
  "commits.test.mjs": [
    [/^a change resolves after its commit/, MIRRORED],
    [/^insertMany is at most one commit ahead of the store/, MIRRORED],
    [/^a store that fails: those who wait are told/, ITS_OWN],
  ],
  "compact.test.mjs": [
    [/^the threshold can be set at any time$/, MIRRORED],
    [/^in slices: searches, inserts and deletes are legal between them$/, "how often its caller has a turn while it compacts is up to the system"],
  ],
  "erase.test.mjs": [
    [/^in memory, .*: nothing of a deleted or a replaced record is left$/, INSIDE],
    [/^erase waits for the memory of an instance that was left before$/, INSIDE],
  ],
  "expiry.test.mjs": [
    [/^an expired record is returned by nothing/, CLOCK],
    [/^what expires while nobody asks/, CLOCK],
    [/^an upsert without ttlMs/, CLOCK],
    [/^compacting in idle time wakes up/, CLOCK],
    [/^an index that moves into another instance/, CLOCK],
    [/: what expires while the index is closed is gone when it is opened$/, CLOCK],
  ],
  "filter.test.mjs": [
    [/^the hits are those of a function that says the same/, FILTER],
    [/^the query may change once the call is made$/, FILTER],
  ],
  "filter-stored.test.mjs": [[/: the hits are those of a function, when payloads have to be read for it$/, FILTER]],
  "idle.test.mjs": [
    [/^maintain: slices for a caller's own loop/, MAINTAIN],
    [/^maintain carries on what an idle hook began/, MAINTAIN],
    [/^a slice in idle time that fails/, INSIDE],
  ],
  "insert-many.test.mjs": [
    [/^abort and close end the wait for a source that never answers$/, "a row is read before it goes in, so one whose reading aborts does not"],
    [/^flat rows whose buffer is given away meanwhile/, "flat rows are copied when the call is made"],
  ],
  "metrics.test.mjs": [[/^each slice of a compaction can be seen in a performance panel/, "it can be seen in the worker's"]],
  "owned.test.mjs": [
    [/^a checkpoint and a reading ahead that are planned are taken back/, WAITS],
    [/^without requestIdleCallback idle time is asked for/, WAITS],
    [/^without Web Locks the channel of a writer is closed/, WAITS],
  ],
  "pending.test.mjs": [[/: what the log tells of is found at once/, "idle time comes at once, and links some before the first call"]],
  "portable.test.mjs": [[/^bytes cut short, lengthened/, MANY]],
  "records.test.mjs": [
    [/^a payload that is not JSON is CORRUPT/, "the JSON.stringify that it replaces is that of its own thread"],
    [/^a filter sees ids/, FILTER],
    [/^an exception of the filter/, FILTER],
    [/^a filter must not use its index/, FILTER],
  ],
  "reload-stored.test.mjs": [[/^closing waits for it when changes wait for it/, ITS_OWN]],
  "reload.test.mjs": [
    [/^a second call while one runs joins it$/, "what is returned is a copy for each"],
    [/^of a closed index CLOSED.*not from within a filter$/, FILTER],
    [/^when no instance can be made it stays where it was$/, INSIDE],
    [/^a large index is moved in slices, between which/, "the move may end between two of its questions"],
    [/^records that expire during a move are gone after it$/, MIRRORED],
    [/^what has expired during a move stays so/, CLOCK],
  ],
  "search-many.test.mjs": [
    [/^a query that is none, or none any more/, "queries are copied when the call is made"],
    [/^searchMany with a filter that is a function/, FILTER],
    [/^searchMany: what a filter that is a function does wrong/, FILTER],
  ],
  "trap.test.mjs": [
    [/^after a trap the index answers nothing but why/, INSIDE],
    [/^a trap while idle time is used/, INSIDE],
    [/^no room for another instance is OUT_OF_MEMORY/, INSIDE],
  ],
};
