/* Log lines for people, on stderr (and a log file once one is set).
 * Levels: error warn info debug. Text is lowercase, no trailing period, values with units, the exact cause.
 * FUT_INFO and FUT_WARN_ONCE log on rank 0 only (fut_log_set_rank), for what every rank finds alike; FUT_INFO_ALL, errors and warnings log
 * on every rank. */
#ifndef FUT_CORE_BASE_LOG_H
#define FUT_CORE_BASE_LOG_H

#include "core/base/status.h"

#include <stdio.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef enum fut_log_level { FUT_LOG_ERROR, FUT_LOG_WARN, FUT_LOG_INFO, FUT_LOG_DEBUG } fut_log_level;

/* Highest level that is printed; default FUT_LOG_INFO. */
void fut_log_set_level(fut_log_level level);
/* Who speaks: with size > 1 each line is prefixed with [rank/size]. */
void fut_log_set_rank(int rank, int size);
/* Also write every line, with a timestamp, to `file` (borrowed; NULL stops). */
void fut_log_set_file(FILE *file);
/* One line. Control characters of the text are escaped. all_ranks = 0: only rank 0 prints. Thread-safe. */
void fut_log_write(fut_log_level level, int all_ranks, const char *fmt, ...) FUT_PRINTF(3, 4);
/* One line for the log file alone, from any rank: what is shown elsewhere, such as the error that ends a run. */
void fut_log_record(fut_log_level level, const char *fmt, ...) FUT_PRINTF(2, 3);
/* A transient progress line: shown on a terminal only, replaced by the next line of any kind. "" clears it. */
void fut_log_progress(const char *fmt, ...) FUT_PRINTF(1, 2);
/* 1 when stderr is a terminal and this process is rank 0. */
int fut_log_is_terminal(void);

#ifdef __cplusplus
}
#endif

#define FUT_ERROR(...) fut_log_write(FUT_LOG_ERROR, 1, __VA_ARGS__)
#define FUT_WARN(...) fut_log_write(FUT_LOG_WARN, 1, __VA_ARGS__)
#define FUT_WARN_ONCE(...) fut_log_write(FUT_LOG_WARN, 0, __VA_ARGS__)
#define FUT_INFO(...) fut_log_write(FUT_LOG_INFO, 0, __VA_ARGS__)
#define FUT_INFO_ALL(...) fut_log_write(FUT_LOG_INFO, 1, __VA_ARGS__)
#define FUT_DEBUG(...) fut_log_write(FUT_LOG_DEBUG, 1, __VA_ARGS__)

#endif
