//! Every kind of trouble a run can meet. Each one that comes is counted, so that a test can hold that all of them do.

macro_rules! kinds {
    ($($(#[$doc:meta])* $kind:ident = $word:literal,)*) => {
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Kind { $($(#[$doc])* $kind,)* }
        impl Kind {
            pub const ALL: &'static [Self] = &[$(Self::$kind,)*];
            pub const fn word(self) -> &'static str {
                match self { $(Self::$kind => $word,)* }
            }
        }
    };
}

kinds! {
    // Processes.
    Killed = "a process is killed",
    Outage = "everything is killed at once",
    Stalled = "a process stalls",
    AskedToStop = "a process is asked to stop",
    LeaseTaken = "a lease is taken over",
    Fenced = "a straggler is fenced off",
    DiedSending = "a process dies with a write on its way",
    Poisoned = "a write kills whoever sends it",
    // The database.
    DatabaseDown = "the database is down",
    DatabaseRefused = "the database refuses a call",
    DatabaseTimedOut = "the database does not answer in time",
    AnswerLost = "the answer of a commit is lost",
    EndedBefore = "a repeated report finds its row ended by itself",
    LockWaited = "a transaction waits for another one's lock",
    Raced = "a transaction finds that another one was faster",
    Restored = "an old backup is restored",
    RestoredSending = "the backup is older than a write on its way",
    WakeLost = "a wake-up is lost",
    WakeEarly = "a wake-up comes for nothing",
    WakeLate = "a wake-up comes late",
    // Clocks.
    WallForth = "a process's clock jumps forwards",
    WallBack = "a process's clock jumps backwards",
    MonotonicForth = "a process's monotonic clock jumps forwards",
    DatabaseForth = "the database's clock jumps forwards",
    DatabaseBack = "the database's clock jumps backwards",
    // Vendors.
    CallLost = "a write never arrives",
    CallLate = "a write arrives after its sender gave up",
    CallDenied = "a vendor does it and answers with an error",
    CallRefused = "a vendor refuses a write",
    Throttled = "a vendor throttles",
    LookUpHung = "a read is never answered",
    VendorDown = "a vendor is down",
    Console = "somebody changes a rollout in the store's console",
    TokenRefused = "a vendor refuses the credential",
    Adopted = "a look-up finds what an earlier attempt made",
    // Webhooks.
    HookLost = "a webhook is lost",
    HookDoubled = "a webhook comes twice",
    HookLate = "a webhook comes late",
    HookReordered = "webhooks overtake each other",
    HookForged = "a webhook is forged",
    HookTaken = "a webhook is taken in",
    CallbackTaken = "a run calls back",
    // People and their requests.
    Repeated = "a request whose answer was lost is sent again",
    Replayed = "a repeated request gets the first one's answer",
    Simultaneous = "two requests of one key are under way at once",
    CreatedTwice = "a creation is sent again",
    Impatient = "a task of unknown outcome is tried again at once",
    AbandonedSending = "a cycle is given up while something is sent for it",
    Stopped = "a tenant is stopped",
    StoppedAll = "the installation is stopped",
    Paused = "a release is paused",
    Replanned = "a release is planned anew",
    Reworked = "a release is sent back",
    Archived = "a release is given up",
    Skipped = "a task of unknown outcome is left out",
    LateResult = "something comes to exist that nobody waits for",
}
