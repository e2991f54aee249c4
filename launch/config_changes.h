/* What changed in a configuration since a checkpoint was written, for whoever resumes. */
#ifndef FUT_LAUNCH_CONFIG_CHANGES_H
#define FUT_LAUNCH_CONFIG_CHANGES_H

#include <stdbool.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Warn of every value that is another one; before and now are texts of fut_config_print. A key that one of the two lacks (it is another
 * futago's) is passed over. Returns whether the loss is of another type. */
bool fut_config_log_changes(const char *before, const char *now);

#ifdef __cplusplus
}
#endif

#endif
