/* Time. Deadlines and durations use the monotonic clock only. */
#ifndef FUT_CORE_BASE_CLOCK_H
#define FUT_CORE_BASE_CLOCK_H

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Monotonic seconds since an arbitrary start. */
double fut_clock_now(void);
/* Wall-clock UTC "2026-01-31T12:34:56Z" into text_out (at least 21 bytes). For records, never for deadlines. */
void fut_clock_utc(char *text_out, size_t max);
/* Seconds as a person reads them: "250 ms", "3.2 s", "4 min 10 s", "2 h 05 min"; "?" if negative or not finite. */
void fut_clock_format(double seconds, char *text_out, size_t max);

#ifdef __cplusplus
}
#endif

#endif
