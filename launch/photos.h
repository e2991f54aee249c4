/* Photos from files, as a trained network wants them: decoded, centre-cropped and resized exactly as `futago pack` does. */
#ifndef FUT_LAUNCH_PHOTOS_H
#define FUT_LAUNCH_PHOTOS_H

#include "data/image.h"

#ifdef __cplusplus
extern "C" {
#endif

/* crop: centred fraction (0, 1]. Owns: *photo_out. Errors: FUT_ERR_NO_INPUT, FUT_ERR_PERMISSION, FUT_ERR_DATA naming the file. */
fut_status fut_photo_read(const char *path, double crop, int64_t size, fut_image *photo_out) FUT_MUST_CHECK;

#ifdef __cplusplus
}
#endif

#endif
