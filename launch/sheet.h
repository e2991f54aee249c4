/* Contact sheets of a packed file: pictures that show what is in it, and what a network sees of it. */
#ifndef FUT_LAUNCH_SHEET_H
#define FUT_LAUNCH_SHEET_H

#include "core/base/status.h"
#include "data/dataset.h"
#include "launch/config.h"

enum { FUT_SHEET_COLUMNS_MAX = 40, FUT_SHEET_ROWS_MAX = 200 };

/* Write a PNG with a row a person who has two photos or more (or everyone, if nobody has), in the file's order.
 * rows, columns: at most so many people and photos of each, up to the maxima above. Errors: those of reading and of writing `path`. */
fut_status fut_sheet_of_people(const fut_dataset *dataset, int64_t rows, int64_t columns, const char *path) FUT_MUST_CHECK;

/* Write a PNG with a row a training photo, one of each person in the file's order: the photo as it is packed, then what the loader makes of
 * it with config's data.augment, data.size and seed at place `row` of the batches of steps 0, 1, ...
 * Errors: as above, and FUT_ERR_CONFIG where data.augment is empty. */
fut_status fut_sheet_of_augments(const fut_dataset *dataset, const fut_config *config, int64_t rows, int64_t columns,
                                 const char *path) FUT_MUST_CHECK;

#endif
