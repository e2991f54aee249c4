/* What a packed file holds, as pack and inspect say it. */
#ifndef FUT_LAUNCH_DATASET_SUMMARY_H
#define FUT_LAUNCH_DATASET_SUMMARY_H

#include "core/base/status.h"
#include "core/base/str.h"
#include "data/dataset.h"

/* Append the summary for people: counts, photos a person, split sizes, pairs and triplets, the configuration that fits. */
fut_status fut_dataset_summary_text(const fut_dataset *dataset, fut_str *out) FUT_MUST_CHECK;
/* Append the same as one JSON object without the closing brace, so that the caller can add members. */
fut_status fut_dataset_summary_json(const fut_dataset *dataset, fut_str *out) FUT_MUST_CHECK;
/* Warn of parts in which nobody has two photos, and of training people who have few photos or most of them. Errors: FUT_ERR_NO_MEMORY */
fut_status fut_dataset_warn(const fut_dataset *dataset) FUT_MUST_CHECK;

#endif
