#include "core/base/status.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { TRAIL_MESSAGE_MAX = 4096, TRAIL_PLACE_MAX = 256 };

static _Thread_local char trail_message[TRAIL_MESSAGE_MAX];
static _Thread_local char trail_place[TRAIL_PLACE_MAX];

int fut_status_exit_code(fut_status st)
{
    static const int codes[] = {
#define FUT_STATUS_EXIT(name, exit_code, text) exit_code,
        FUT_STATUS_ROWS(FUT_STATUS_EXIT)
#undef FUT_STATUS_EXIT
    };
    return (unsigned)st < FUT_STATUS_COUNT ? codes[st] : codes[FUT_ERR_INTERNAL];
}

const char *fut_status_text(fut_status st)
{
    static const char *const texts[] = {
#define FUT_STATUS_TEXT(name, exit_code, text) text,
        FUT_STATUS_ROWS(FUT_STATUS_TEXT)
#undef FUT_STATUS_TEXT
    };
    return (unsigned)st < FUT_STATUS_COUNT ? texts[st] : "unknown status";
}

fut_status fut_trail_record(fut_status st, const char *file, int line, const char *fmt, ...)
{
    size_t used = strlen(trail_message);
    if (used > 0 && used + 3 < sizeof trail_message) used += (size_t)snprintf(trail_message + used, sizeof trail_message - used, "; ");
    va_list args;
    va_start(args, fmt);
    (void)vsnprintf(trail_message + used, sizeof trail_message - used, fmt, args);
    va_end(args);
    if (trail_place[0] == '\0') (void)snprintf(trail_place, sizeof trail_place, "%s:%d", file, line);
    return st;
}

void fut_trail_context(const char *fmt, ...)
{
    char context[1024];
    va_list args;
    va_start(args, fmt);
    (void)vsnprintf(context, sizeof context, fmt, args);
    va_end(args);
    size_t head = strlen(context);
    size_t body = strlen(trail_message);
    if (head + 2 + 1 > sizeof trail_message) return;
    if (head + 2 + body + 1 > sizeof trail_message) body = sizeof trail_message - head - 3;
    memmove(trail_message + head + 2, trail_message, body);
    trail_message[head + 2 + body] = '\0';
    memcpy(trail_message, context, head);
    memcpy(trail_message + head, ": ", 2);
}

const char *fut_trail_message(void)
{
    return trail_message;
}

const char *fut_trail_place(void)
{
    return trail_place;
}

void fut_trail_clear(void)
{
    trail_message[0] = '\0';
    trail_place[0] = '\0';
}
