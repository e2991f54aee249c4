/* The ranks of a communicator as a team that shares the pairs of an evaluation. */
#ifndef FUT_LAUNCH_METRIC_TEAM_H
#define FUT_LAUNCH_METRIC_TEAM_H

#include "core/metric/metric.h"
#include "dist/comm.h"

/* comm: of the host; outlives the team. */
fut_metric_team fut_metric_team_of(fut_comm *comm);

#endif
