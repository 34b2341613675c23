// PENSEE_DCHECK guards an invariant of ours (never outside input): alive where tests and fuzzers define
// PENSEE_DCHECKS, absent from release builds.
#pragma once

#ifdef PENSEE_DCHECKS
#define PENSEE_DCHECK(condition) ((condition) ? (void)0 : __builtin_trap())
#else
#define PENSEE_DCHECK(condition) ((void)0)
#endif
