#include "core/base/log.h"

#include <pthread.h>
#include <stdarg.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { LINE_MAX_BYTES = 4096 };

static pthread_mutex_t log_lock = PTHREAD_MUTEX_INITIALIZER;
static fut_log_level max_level = FUT_LOG_INFO;
static int my_rank;
static int world_size = 1;
static FILE *log_file;
static int progress_shown;

static const char *const level_names[] = {"error", "warning", "info", "debug"};

void fut_log_set_level(fut_log_level level)
{
    max_level = level;
}

void fut_log_set_rank(int rank, int size)
{
    my_rank = rank;
    world_size = size;
}

void fut_log_set_file(FILE *file)
{
    pthread_mutex_lock(&log_lock);
    log_file = file;
    pthread_mutex_unlock(&log_lock);
}

int fut_log_is_terminal(void)
{
    return my_rank == 0 && isatty(STDERR_FILENO);
}

/* Replace control characters, so that a file name cannot move the cursor or forge a line. UTF-8 passes through. */
static void escape_controls(const char *text, char *line_out, size_t line_max)
{
    size_t used = 0;
    for (const unsigned char *c = (const unsigned char *)text; *c != '\0' && used + 5 < line_max; c++) {
        if (*c < 0x20 || *c == 0x7f)
            used += (size_t)snprintf(line_out + used, line_max - used, "\\x%02x", *c);
        else
            line_out[used++] = (char)*c;
    }
    line_out[used] = '\0';
}

static void clear_progress(void)
{
    if (progress_shown) (void)fputs("\r\033[K", stderr);
    progress_shown = 0;
}

/* Under log_lock. */
static void write_to_file(const char *who, const char *what, const char *line)
{
    if (log_file == NULL) return;
    char stamp[32];
    struct tm utc;
    time_t now = time(NULL);
    (void)strftime(stamp, sizeof stamp, "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&now, &utc));
    (void)fprintf(log_file, "%s %s%s%s\n", stamp, who, what, line);
    (void)fflush(log_file);
}

void fut_log_record(fut_log_level level, const char *fmt, ...)
{
    char text[LINE_MAX_BYTES];
    char line[LINE_MAX_BYTES];
    char what[16] = "";
    va_list args;
    va_start(args, fmt);
    (void)vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    escape_controls(text, line, sizeof line);
    if (level != FUT_LOG_INFO) (void)snprintf(what, sizeof what, "%s: ", level_names[level]);
    pthread_mutex_lock(&log_lock);
    write_to_file("", what, line);
    pthread_mutex_unlock(&log_lock);
}

void fut_log_write(fut_log_level level, int all_ranks, const char *fmt, ...)
{
    if (level > max_level || (!all_ranks && my_rank != 0)) return;
    char text[LINE_MAX_BYTES];
    char line[LINE_MAX_BYTES];
    va_list args;
    va_start(args, fmt);
    (void)vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    escape_controls(text, line, sizeof line);

    char who[32] = "";
    if (world_size > 1 && all_ranks) (void)snprintf(who, sizeof who, "[%d/%d] ", my_rank, world_size);
    char what[16] = "";
    if (level != FUT_LOG_INFO) (void)snprintf(what, sizeof what, "%s: ", level_names[level]);

    pthread_mutex_lock(&log_lock);
    clear_progress();
    (void)fprintf(stderr, "futago: %s%s%s\n", who, what, line);
    write_to_file(who, what, line);
    pthread_mutex_unlock(&log_lock);
}

void fut_log_progress(const char *fmt, ...)
{
    if (!fut_log_is_terminal()) return;
    char text[LINE_MAX_BYTES];
    char line[LINE_MAX_BYTES];
    va_list args;
    va_start(args, fmt);
    (void)vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    escape_controls(text, line, sizeof line);
    pthread_mutex_lock(&log_lock);
    clear_progress();
    if (line[0] != '\0') {
        (void)fputs(line, stderr);
        progress_shown = 1;
    }
    (void)fflush(stderr);
    pthread_mutex_unlock(&log_lock);
}
