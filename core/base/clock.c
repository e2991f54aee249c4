#include "core/base/clock.h"

#include <math.h>
#include <stdio.h>
#include <time.h>

double fut_clock_now(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

void fut_clock_utc(char *text_out, size_t max)
{
    struct tm utc;
    time_t now = time(NULL);
    if (strftime(text_out, max, "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&now, &utc)) == 0 && max > 0) text_out[0] = '\0';
}

void fut_clock_format(double seconds, char *text_out, size_t max)
{
    if (!isfinite(seconds) || seconds < 0 || seconds > 1e12) {
        (void)snprintf(text_out, max, "?");
    } else if (seconds < 0.9995) {
        (void)snprintf(text_out, max, "%.0f ms", seconds * 1000);
    } else if (seconds < 59.95) {
        (void)snprintf(text_out, max, "%.1f s", seconds);
    } else if (seconds < 3599.5) {
        long whole = lround(seconds);
        (void)snprintf(text_out, max, "%ld min %02ld s", whole / 60, whole % 60);
    } else {
        long minutes = lround(seconds / 60);
        (void)snprintf(text_out, max, "%ld h %02ld min", minutes / 60, minutes % 60);
    }
}
