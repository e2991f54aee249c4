/* What a packed file holds, as pack and inspect say it. */
#ifndef FUT_LAUNCH_DATASET_SUMMARY_H
#define FUT_LAUNCH_DATASET_SUMMARY_H

#include "core/base/status.h"
#include "core/base/str.h"
#include "data/dataset.h"

/* Append the summary for people: counts, images a person, split sizes and pairs. */
fut_status fut_dataset_summary_text(const fut_dataset *dataset, fut_str *out) FUT_MUST_CHECK;
/* Append the same as one JSON object without the closing brace, so that the caller can add members. */
fut_status fut_dataset_summary_json(const fut_dataset *dataset, fut_str *out) FUT_MUST_CHECK;
/* Warn of parts in which nobody has two photos. */
void fut_dataset_warn(const fut_dataset *dataset);

#endif
