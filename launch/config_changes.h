/* What changed in a configuration since a checkpoint was written, for whoever resumes. */
#ifndef FUT_LAUNCH_CONFIG_CHANGES_H
#define FUT_LAUNCH_CONFIG_CHANGES_H

#include <stdbool.h>

#ifdef __cplusplus
extern "C" {
#endif

/* What a change makes incomparable: values of the loss, what best.h5 is best in, what the schedule watches. */
typedef struct fut_config_changes {
    bool loss; /* another type of loss */
    bool best; /* another eval.best or eval.part */
    bool scheduler;
} fut_config_changes;

/* Warn of every value that is another one; before and now are texts of fut_config_print. A key that one of the two lacks (it is another
 * futago's) is passed over. */
fut_config_changes fut_config_log_changes(const char *before, const char *now);

#ifdef __cplusplus
}
#endif

#endif
