#!/bin/sh
# A platform of SimGrid for a network of futago plan, and its host file.
#
#   platform.sh RANKS RANKS_A_NODE NODE_GB_S NODE_US BETWEEN_GB_S BETWEEN_US PLATFORM_XML HOSTFILE
#
# NODE_GB_S 0: hosts alone, for SimGrid's model of constant latency. Else each rank is a host with a link to its node's switch, each node a link to the switch of all; links carry both directions at once. A latency is
# that of a message from rank to rank, halved on either side.
set -eu
awk -v ranks="$1" -v node="$2" -v bw="$3" -v lat="$4" -v away="$5" -v far="$6" -v hosts="$8" 'BEGIN {
    print "<?xml version=\"1.0\"?>\n<!DOCTYPE platform SYSTEM \"https://simgrid.org/simgrid.dtd\">\n<platform version=\"4.1\">"
    for (r = 0; r < ranks; r++) print "r" r >hosts
    if (bw == 0) {
        print "<zone id=\"world\" routing=\"None\">"
        for (r = 0; r < ranks; r++) printf "<host id=\"r%d\" speed=\"1Gf\"/>\n", r
        print "</zone></platform>"
        exit
    }
    print "<zone id=\"world\" routing=\"Floyd\">"
    nodes = int((ranks + node - 1) / node)
    for (n = 0; n < nodes; n++) {
        last = (n + 1) * node < ranks ? (n + 1) * node : ranks
        printf "<cluster id=\"n%d\" prefix=\"r\" suffix=\"\" radical=\"%d-%d\" speed=\"1Gf\" bw=\"%gGBps\" lat=\"%.9fs\" sharing_policy=\"SPLITDUPLEX\" router_id=\"gate%d\"/>\n", n, n * node, last - 1, bw, lat / 2 * 1e-6, n
    }
    print "<zone id=\"core\" routing=\"Full\"><router id=\"switch\"/></zone>"
    for (n = 0; n < nodes; n++)
        printf "<link id=\"up%d\" bandwidth=\"%gGBps\" latency=\"%.9fs\" sharing_policy=\"SPLITDUPLEX\"/>\n", n, away, (far - lat) / 2 * 1e-6
    for (n = 0; n < nodes; n++) {
        printf "<zoneRoute src=\"n%d\" dst=\"core\" gw_src=\"gate%d\" gw_dst=\"switch\" symmetrical=\"NO\"><link_ctn id=\"up%d\" direction=\"UP\"/></zoneRoute>\n", n, n, n
        printf "<zoneRoute src=\"core\" dst=\"n%d\" gw_src=\"switch\" gw_dst=\"gate%d\" symmetrical=\"NO\"><link_ctn id=\"up%d\" direction=\"DOWN\"/></zoneRoute>\n", n, n, n
    }
    print "</zone></platform>"
}' >"$7"
