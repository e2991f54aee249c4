/* What opt.c and opt_print.c share. */
#ifndef FUT_CORE_BASE_OPT_IMPL_H
#define FUT_CORE_BASE_OPT_IMPL_H

#include "core/base/opt.h"

enum { FUT_OPT_WORDS_MAX = 512 };

/* "cosine, lp": the words an ENUM row allows, or the types of a VARIANT or VARIANTS row. Cut at FUT_OPT_WORDS_MAX. */
void fut_opt_words(const fut_opt *row, char words_out[FUT_OPT_WORDS_MAX]);

/* Append the allowed range of a numeric row: "0 to 10", "at least 1", "1 s to 1 h". */
fut_status fut_opt_append_range(const fut_opt *row, fut_str *out) FUT_MUST_CHECK;

#endif
