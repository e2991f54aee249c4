/* Status codes and the error trail.
 *
 *   first decider:  FUT_FAIL(FUT_ERR_DATA, "%s: offset %lld is past the end", path, off)   records text + place, returns the code
 *   everyone else:  FUT_TRY(f(...))            returns the code unchanged
 *                   FUT_TRY_GOTO(f(...), out)  jumps to the function's one `out:` label, with `st` set
 *
 * The trail is thread-local: it holds the message of the first failure since fut_trail_clear(), and contexts pushed on the way up.
 * Each code maps to a process exit code (sysexits.h), so that schedulers can act on it. */
#ifndef FUT_CORE_BASE_STATUS_H
#define FUT_CORE_BASE_STATUS_H

/*    name            exit  text */
#define FUT_STATUS_ROWS(X)                                                                                                                 \
    X(OK, 0, "done")                                                                                                                       \
    X(ERR_USAGE, 64, "bad command line")                                                                                                   \
    X(ERR_DATA, 65, "bad data")                                                                                                            \
    X(ERR_NO_INPUT, 66, "input missing")                                                                                                   \
    X(ERR_INTERNAL, 70, "internal error")                                                                                                  \
    X(ERR_REPLICAS, 70, "ranks hold different parameters")                                                                                 \
    X(ERR_SHAPE, 70, "shapes do not agree")                                                                                                \
    X(ERR_UNSUPPORTED, 78, "not supported here")                                                                                           \
    X(ERR_NO_MEMORY, 71, "out of memory")                                                                                                  \
    X(ERR_CANT_CREATE, 73, "cannot create file")                                                                                           \
    X(ERR_IO, 74, "input/output error")                                                                                                    \
    X(ERR_HANG, 74, "a peer did not answer in time")                                                                                       \
    X(ERR_PREEMPTED, 75, "stopped on request, checkpoint is durable")                                                                      \
    X(ERR_NUMERIC, 76, "numeric failure")                                                                                                  \
    X(ERR_PERMISSION, 77, "permission denied")                                                                                             \
    X(ERR_CONFIG, 78, "bad configuration")                                                                                                 \
    X(ERR_LOCKED, 79, "another run owns the folder")

typedef enum fut_status {
#define FUT_STATUS_ENUM(name, exit_code, text) FUT_##name,
    FUT_STATUS_ROWS(FUT_STATUS_ENUM)
#undef FUT_STATUS_ENUM
        FUT_STATUS_COUNT
} fut_status;

#if defined(__GNUC__)
#define FUT_MUST_CHECK __attribute__((warn_unused_result))
#define FUT_PRINTF(fmt_arg, first_arg) __attribute__((format(printf, fmt_arg, first_arg)))
#else
#define FUT_MUST_CHECK
#define FUT_PRINTF(fmt_arg, first_arg)
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* Process exit code of a status. */
int fut_status_exit_code(fut_status st);
/* Short lowercase text of a status; never NULL. */
const char *fut_status_text(fut_status st);

/* Record `fmt...` as the first cause at file:line and return `st`. A later record while one is held is appended after it. */
fut_status fut_trail_record(fut_status st, const char *file, int line, const char *fmt, ...) FUT_PRINTF(4, 5);
/* Put `fmt...: ` in front of the recorded message (what the caller was doing); keeps the place of the first decider. */
void fut_trail_context(const char *fmt, ...) FUT_PRINTF(1, 2);
/* The recorded message ("" if none) and its place "file:line" ("" if none). Borrowed: valid until the next trail call on this thread. */
const char *fut_trail_message(void);
const char *fut_trail_place(void);
void fut_trail_clear(void);

#ifdef __cplusplus
}
#endif

#define FUT_FAIL(st, ...) fut_trail_record((fut_status)(st), __FILE__, __LINE__, __VA_ARGS__)

/* Record and return from the enclosing function; only where nothing is owned yet. */
#define FUT_CHECK(cond, status, ...)                                                                                                       \
    do {                                                                                                                                   \
        if (!(cond)) return FUT_FAIL(status, __VA_ARGS__);                                                                                 \
    } while (0)

/* Record, set `st` and jump: the form to use once something is owned. */
#define FUT_CHECK_GOTO(cond, status, label, ...)                                                                                           \
    do {                                                                                                                                   \
        if (!(cond)) {                                                                                                                     \
            st = FUT_FAIL(status, __VA_ARGS__);                                                                                            \
            goto label;                                                                                                                    \
        }                                                                                                                                  \
    } while (0)

#define FUT_TRY(expr)                                                                                                                      \
    do {                                                                                                                                   \
        fut_status fut_try_st_ = (expr);                                                                                                   \
        if (fut_try_st_ != FUT_OK) return fut_try_st_;                                                                                     \
    } while (0)

#define FUT_TRY_GOTO(expr, label)                                                                                                          \
    do {                                                                                                                                   \
        st = (expr);                                                                                                                       \
        if (st != FUT_OK) goto label;                                                                                                      \
    } while (0)

#endif
