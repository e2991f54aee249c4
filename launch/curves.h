/* The training curves of a run, read back from metrics.jsonl for the report. */
#ifndef FUT_LAUNCH_CURVES_H
#define FUT_LAUNCH_CURVES_H

#include "launch/report.h"

#ifdef __cplusplus
extern "C" {
#endif

enum { FUT_CURVES_CHARTS = 5 };

/* Loss (mean of each epoch, and of the evaluations), EER and AUC, learning rate; similarities and effective rank (means of an epoch's log
 * lines); by epoch. */
typedef struct fut_curves {
    fut_report_chart chart[FUT_CURVES_CHARTS];
    int n_charts;                               /* 0: the run has no metrics yet */
    double *epoch, *loss, *lr;                  /* [n_epochs] */
    double *positive, *negative, *rank;         /* [n_epochs]; NaN where no line says */
    double *eval_epoch, *eval_loss, *eer, *auc; /* [n_evals] */
    int64_t n_epochs, n_evals;
} fut_curves;

/* A missing file gives no charts. Errors: FUT_ERR_IO, FUT_ERR_NO_MEMORY. Owns: release with fut_curves_fini. */
fut_status fut_curves_read(const char *run, fut_curves *curves_out) FUT_MUST_CHECK;
void fut_curves_fini(fut_curves *curves);

#ifdef __cplusplus
}
#endif

#endif
