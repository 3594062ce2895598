/* mutants.h: deliberately broken variants of the machine. They exist only in the copy that the
 * model test builds (FH_MUTANTS); there each must be caught. Everywhere else FH_MUTANT() is false.
 */
#ifndef FH_HA_MUTANTS_H
#define FH_HA_MUTANTS_H

#include <stdbool.h>

#define FH_MUTANTS_LIST(X)                                                                         \
    X(EPOCH_NOT_PERSISTED, "acts in an epoch before it is durable")                                \
    X(PARITY_DROPPED, "both nodes take epochs from the same row")                                  \
    X(HIGHER_EPOCH_IGNORED, "stays primary when a higher epoch is heard")                          \
    X(REPORT_TWICE, "hands a report over again when it comes again")                               \
    X(GAP_IGNORED, "takes a report although one before it is missing")                             \
    X(BARRIER_DROPPED, "takes a prepared report of an epoch that is over")                         \
    X(DOUBT_UNKNOWN, "settles doubts without asking the peer")                                     \
    X(DOUBT_NOT_REOPENED, "a demotion leaves no doubts")                                           \
    X(DOUBT_TOO_EARLY, "settles after a demotion while the peer may still take the report")        \
    X(APPLIED_FINAL, "claims that nothing is on its way into the store")                           \
    X(WANT_BEFORE_SETTLED, "answers a question while its own doubts are open")                     \
    X(NO_DRAIN, "promotes before the peer's reports are applied")                                  \
    X(PEER_CUT_SHORT, "leads while the peer, back in an older epoch, still delivers")              \
    X(LEASE_LATE, "delivers first and looks at the lease afterwards")                              \
    X(LEASE_FROM_ANSWER, "counts a lease from the answer instead of from the question")            \
    X(PROMISE_FROM_ANSWER, "counts a promise from the answer instead of from the own beat")        \
    X(PROMISE_BROKEN, "does not honour its own promise")                                           \
    X(FENCE_IGNORED, "moves the fence on by itself, whoever is heard")                             \
    X(STALL_IGNORED, "goes on after standing still as if nothing had been")                        \
    X(GOES_ON_UNASKED, "was fenced, and does not ask what the peer delivered meanwhile")           \
    X(RELEASE_EARLY, "gives the lease back before delivery has stopped")                           \
    X(LEAVES_EARLY, "stops by plan, and gives the lease back before the sinks have ended")         \
    X(PRIMARY_WITH_HOLE, "a wiped primary does not fetch what only the other one holds")           \
    X(OLD_STORE, "goes on counting reports of a store that is gone")                               \
    X(INTRODUCED_EARLY, "a wiped node is ready before it is told what it had delivered")           \
    X(ANSWER_OVERTAKES, "the end of an answer passes over reports that are still on their way")    \
    X(BACK_WITHOUT_STATE, "a peer that was lost is back with any message of it")                   \
    X(QUESTION_PUT_OFF, "new reports put off the question whether that was all")                   \
    X(ALONE_IGNORED, "leads although the arbiter knows that the other one led alone")              \
    X(ALONE_UNTOLD, "publishes alone before the arbiter has noted so")                             \
    X(ALONE_FORGOTTEN, "takes back that it was alone before the peer has caught up")               \
    X(SPENT_STAYS, "leads on in an epoch in which the arbiter gives no lease")                     \
    X(KNOWS_EARLY, "says it knows all of the other one before it has its reports")

enum fh_mutant {
    FH_MUTANT_NONE = 0,
#define FH_MUTANT_ENUM(name, text) FH_MUTANT_##name,
    FH_MUTANTS_LIST(FH_MUTANT_ENUM)
#undef FH_MUTANT_ENUM
        FH_MUTANT_COUNT
};

#ifdef FH_MUTANTS
extern enum fh_mutant fh_mutant;
#define FH_MUTANT(name) (fh_mutant == FH_MUTANT_##name)
#else
#define FH_MUTANT(name) false
#endif

#endif
