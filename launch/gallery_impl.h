/* Private to the gallery. */
#ifndef FUT_LAUNCH_GALLERY_IMPL_H
#define FUT_LAUNCH_GALLERY_IMPL_H

#include "launch/gallery.h"

/* fut_gallery_open for a folder; g->dim is set, the rest is empty. Collective. */
fut_status fut_gallery_open_folder(fut_trained *trained, fut_comm *comm, const char *path, double crop, fut_gallery *g) FUT_MUST_CHECK;

#endif
