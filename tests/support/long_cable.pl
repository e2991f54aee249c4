# A long cable: two network interfaces NEAR and FAR whose frames reach each other after SECONDS, for kernels without netem.
#     perl tests/support/long_cable.pl NEAR FAR SECONDS
use strict;
use warnings;
use Fcntl;
use Time::HiRes qw(time);

my ($near, $far, $seconds) = @ARGV;
my $TUNSETIFF = 0x400454ca;
my $IFF_TAP_NO_PI = 0x1002;
my @ends = map {
    sysopen(my $end, '/dev/net/tun', O_RDWR) or die "/dev/net/tun: $!";
    ioctl($end, $TUNSETIFF, pack('Z16 s x22', $_, $IFF_TAP_NO_PI)) or die "$_: $!";
    $end;
} ($near, $far);
my @under_way = ([], []); # frames that go to an end, with the time at which they come out

while (1) {
    my $wait = 1;
    for my $to (0, 1) {
        while (my $first = $under_way[$to][0]) {
            my $left = $first->[0] - time;
            if ($left > 0) { $wait = $left if $left < $wait; last }
            syswrite($ends[$to], $first->[1]);
            shift @{$under_way[$to]};
        }
    }
    my $ready = '';
    vec($ready, fileno($_), 1) = 1 for @ends;
    next if select($ready, undef, undef, $wait) <= 0;
    for my $from (0, 1) {
        next unless vec($ready, fileno($ends[$from]), 1);
        push @{$under_way[1 - $from]}, [time + $seconds, $_] if sysread($ends[$from], $_, 65536);
    }
}
