# Completion of sockcat for fish.

# __sockcat_given OPTION...: one of them stands on the command line; a letter
# may be in a cluster, such as -lke.
function __sockcat_given
    set -l words (commandline -opc)[2..-1]
    for option in $argv
        if string match -q -- '--*' $option
            contains -- $option $words
            and return
        else
            set -l letter (string sub -s 2 -- $option)
            string match -qr -- "^-[46UunlebzkdNFCtvhVf]*$letter" $words
            and return
        end
    end
    return 1
end

function __sockcat_no
    not __sockcat_given $argv
end

# __sockcat_at_port: the host is there, or there need not be one.
function __sockcat_at_port
    set -l words (commandline -opc)[2..-1]
    set -l values '^(-[46UunlebzkdNFCtvhVf]*[spcmqWwioIOTMxX]|--(source(-port)?|'\
'sh-exec|exec|forward|parallel|max-conns|count|quit|drain|retry|send|expect|'\
'recvlimit|recv-bytes|wait|idle-timeout|max-time|interval|delay|rate|output|'\
'hex-dump|rcvbuf|sndbuf|backlog|tos|ttl|mode|interface|proxy|proxy-type|'\
'proxy-auth-file|allow|deny|allowfile|denyfile|port-file|ready-fd))$'
    set -l skip 0
    __sockcat_given -l --listen
    and return
    for word in $words
        if test $skip = 1
            set skip 0
        else if string match -qr $values -- $word
            set skip 1
        else if not string match -q -- '-*' $word
            return
        end
    end
    return 1
end

function __sockcat_hosts
    echo localhost
    __fish_print_hostnames
end

function __sockcat_services
    test -r /etc/services
    and string match -r '^[a-z][a-z0-9-]*' </etc/services
end

function __sockcat_interfaces
    path basename /sys/class/net/*
end

function __sockcat_local_ends
    __sockcat_given -U --unixsock
    and __fish_complete_path (commandline -ct)
end

function __sockcat_commands
    complete -C (commandline -ct)
end

function __sockcat_onward
    set -l token (commandline -ct)
    if string match -q 'unix:*' -- $token
        printf 'unix:%s\n' (__fish_complete_path (string sub -s 6 -- $token))
        return
    end
    __sockcat_hosts
    printf '%s\n' udp: unix:
end

# Conditions: what an option makes no sense with.
set -l no_listen '__sockcat_no -l --listen; and __sockcat_no -k --keep-open'
set -l no_pass '__sockcat_no -F --fd-pass'
set -l no_test '__sockcat_no -z --zero'
set -l no_pass '__sockcat_no -F --fd-pass'
# Neither a test nor -F has a session, or listens.
set -l sessions "$no_test; and $no_pass"
# -F has no session, no test has one, and neither listens.
set -l session "$sessions; and $no_pass"
set -l no_echo '__sockcat_no -e --echo'
set -l no_hub '__sockcat_no -b --broadcast --broker'
set -l no_chat '__sockcat_no --chat'
set -l no_command '__sockcat_no -c --sh-exec --exec'
set -l no_forward '__sockcat_no --forward'
set -l no_udp '__sockcat_no -u --udp'
set -l no_unix '__sockcat_no -U --unixsock'
# A forward has another side, for which some may make sense.
set -l connects "begin; begin; $no_listen; end; or __sockcat_given --forward; \
end; and $no_chat"
set -l no_keep '__sockcat_no -k --keep-open'
set -l no_send_only '__sockcat_no --send-only'
set -l some_ip "begin; $no_unix; or __sockcat_given --forward; end"

# Operands: a path, or a host and a port.
complete -c sockcat -f
complete -c sockcat -n '__sockcat_given -U --unixsock' -F
complete -c sockcat -n "$no_unix; and not __sockcat_at_port" \
    -a '(__sockcat_hosts)' -d Host
complete -c sockcat -n "$no_unix; and __sockcat_at_port" \
    -a '(__sockcat_services)' -d Port
complete -c sockcat -n "$no_unix; and __sockcat_given -l --listen" \
    -a '(__sockcat_hosts)' -d Host

# Addresses
complete -c sockcat -s 4 -l ipv4 -d 'IPv4 only' \
    -n "$no_unix; and __sockcat_no -6 --ipv6"
complete -c sockcat -s 6 -l ipv6 -d 'IPv6 only' \
    -n "$no_unix; and __sockcat_no -4 --ipv4"
complete -c sockcat -s U -l unixsock -d 'Unix-domain socket'
complete -c sockcat -s u -l udp -d 'Datagrams' -n "$no_chat"
complete -c sockcat -s n -l nodns -d 'Numeric hosts and ports only'
complete -c sockcat -s s -l source -x -d 'Local address' -n "$connects" \
    -a '(__sockcat_local_ends)'
complete -c sockcat -s p -l source-port -x -d 'Local port' -n "$no_unix" \
    -a '(__sockcat_services)'

# Modes
complete -c sockcat -s l -l listen -d 'Wait for a connection' -n "$sessions"
set -l no_service "$sessions; and $no_chat; and $no_forward"
complete -c sockcat -s e -l echo -d 'Send every byte back' \
    -n "$no_service; and $no_command"
set -l no_other "$no_test; and $no_chat; and $no_forward"
complete -c sockcat -s b -l broadcast -n "$no_other" \
    -d 'With -l: a hub; client -u: allow broadcast addresses'
complete -c sockcat -l broker -n "$no_other" -d 'The same as --broadcast'
complete -c sockcat -l chat -d 'With -l: a hub for people' \
    -n "$no_service; and $no_echo; and $no_hub; and $no_command; and $no_udp"
complete -c sockcat -s c -l sh-exec -x -a '(__sockcat_commands)' \
    -d 'Attach a command, run by /bin/sh -c' \
    -n "$no_service; and $no_echo; and __sockcat_no --exec"
complete -c sockcat -l exec -x -a '(__sockcat_commands)' \
    -d 'Attach a command, run directly' \
    -n "$no_service; and $no_echo; and __sockcat_no -c --sh-exec"
complete -c sockcat -l forward -x -a '(__sockcat_onward)' \
    -d 'With -l: connect each peer to an address' \
    -n "$sessions; and $no_chat; and $no_echo; and $no_hub; and $no_command"
complete -c sockcat -s z -l zero -d 'Only test: connect and close' \
    -n "$no_listen; and $no_echo; and $no_hub; and $no_chat; and \
$no_command; and $no_forward; and $no_pass"
complete -c sockcat -l parallel -x -d 'Test that many ports at once' \
    -n "$no_listen; and $no_echo; and $no_hub; and $no_chat; and \
$no_command; and $no_forward; and $no_unix; and $no_pass"

# Session
complete -c sockcat -s k -l keep-open -d 'With -l: serve many peers' \
    -n "$sessions"
complete -c sockcat -s m -l max-conns -x -d 'At most that many peers at once' \
    -n "$sessions"
complete -c sockcat -l count -x -n "$sessions; and $no_udp" \
    -d 'Accept that many peers, finish them, exit'
complete -c sockcat -s d -l recv-only -d 'Do not read standard input' \
    -n '__sockcat_no --send-only'
set -l relays "$no_service; and $no_echo; and $no_command"
complete -c sockcat -l send-only -d 'Discard what is received' \
    -n "$relays; and __sockcat_no -d --recv-only; and __sockcat_no --expect \
-W --recvlimit --recv-bytes"
complete -c sockcat -s N -l shutdown \
    -d 'Half-close after the end of input (default)'
complete -c sockcat -l no-shutdown \
    -d 'Do not half-close after the end of input' \
    -n "$relays; and $no_hub; and $no_udp"
complete -c sockcat -s q -l quit -x \
    -d 'End when one direction has ended and the other rests'
complete -c sockcat -l drain -x -d 'On SIGTERM let the sessions finish' \
    -n "$sessions; and $no_udp"
complete -c sockcat -l retry -x -d 'Keep trying to connect' -n "$connects"
set -l one "$no_echo; and $no_chat; and $no_command; and $no_forward"
complete -c sockcat -l send -x -d 'Send that instead of standard input' \
    -n "$one; and $no_keep; and $no_pass"
set -l takes "$one; and $no_keep; and $sessions; and $no_send_only"
complete -c sockcat -l expect -x -d 'Succeed as soon as that has been received' \
    -n "$takes"
complete -c sockcat -s W -l recvlimit -x -d 'End after that many datagrams' \
    -n "$takes"
complete -c sockcat -l recv-bytes -x -d 'End after exactly that many bytes' \
    -n "$takes"
complete -c sockcat -s F -l fd-pass -d 'Pass the connection on, and exit' \
    -n "$one; and $no_listen; and $no_test; and $no_send_only"

# Time limits
complete -c sockcat -s w -l wait -x -d 'Time to connect, then for silence'
complete -c sockcat -l idle-timeout -x -d 'Time of silence on a connection' \
    -n "$sessions"
complete -c sockcat -l max-time -x -d 'Time for the whole run'

# Shaping
complete -c sockcat -s C -l crlf -d 'LF becomes CRLF on the way out' \
    -n "$one; and $sessions"
complete -c sockcat -l lines -d 'A line is a message' \
    -n "$no_echo; and $no_command; and $no_forward; and $sessions"
set -l pauses "$one; and $no_pass"
complete -c sockcat -s i -l interval -x -n "$pauses" \
    -d 'Pause between lines sent, or ports tested'
complete -c sockcat -l delay -x -d 'The same as --interval' -n "$pauses"
complete -c sockcat -l rate -x -d 'At most so many bytes a second' \
    -n "$sessions; and $no_chat"
complete -c sockcat -s t -l telnet -d 'Refuse what telnet negotiates' \
    -n "$one; and $no_keep; and $sessions; and $no_hub; and $no_udp"

# Watching
complete -c sockcat -s o -l output -rF -d 'A copy of the traffic' \
    -n "$sessions"
complete -c sockcat -l hex-dump -rF -d 'The same in hexadecimal' \
    -n "$sessions"
complete -c sockcat -l append-output -d 'Keep what those files hold' \
    -n "$sessions"
complete -c sockcat -l progress -d 'A line on the terminal, while data moves' \
    -n "$sessions; and $no_chat; and $no_echo; and $no_command; and \
begin; __sockcat_no -k --keep-open; or __sockcat_given --forward; end"
complete -c sockcat -l stats -d 'Statistics at the end, and on SIGUSR1' \
    -n "$sessions"
complete -c sockcat -l json -d 'An object for each event, error, statistic'

# Messages
complete -c sockcat -s v -l verbose -d 'Say what happens'
complete -c sockcat -l quiet -d 'Not even errors'
complete -c sockcat -l no-sandbox -d 'Keep all rights, for debugging' \
    -n "$no_command"
complete -c sockcat -s h -l help -d 'Show the help'
complete -c sockcat -s V -l version -d 'Show the version'

# Socket options
set -l tcp "$no_test; and $no_udp; and $some_ip"
complete -c sockcat -s I -l rcvbuf -x -d 'Receive buffer'
complete -c sockcat -s O -l sndbuf -x -d 'Send buffer'
complete -c sockcat -l keepalive -d 'Find vanished peers' -n "$tcp"
complete -c sockcat -l no-keepalive -d 'Do not look for vanished peers' \
    -n "$tcp"
complete -c sockcat -l no-reuseaddr -d 'No SO_REUSEADDR' -n "$no_unix"
complete -c sockcat -l reuseport -d 'SO_REUSEPORT' \
    -n "$sessions; and $no_unix"
complete -c sockcat -l nodelay -d 'TCP_NODELAY (default)' -n "$tcp"
complete -c sockcat -l no-nodelay -d 'Gather small writes' -n "$tcp"
complete -c sockcat -l backlog -x \
    -d 'Connections that may wait to be accepted' \
    -n "$sessions; and $no_udp"
complete -c sockcat -s T -l tos -x -d 'DSCP or type of service' \
    -n "$some_ip" -a 'af11 af12 af13 af21 af22 af23 af31 af32 af33 af41
        af42 af43 critical cs0 cs1 cs2 cs3 cs4 cs5 cs6 cs7 ef inetcontrol le
        lowcost lowdelay netcontrol reliability throughput'
complete -c sockcat -s M -l ttl -x -d 'TTL and hop limit' -n "$some_ip"
complete -c sockcat -l reset -d 'Close with a reset' \
    -n "$no_udp; and $no_unix; and $no_forward; and $no_pass"
complete -c sockcat -l mode -x -d 'Permissions of the Unix socket' \
    -n "$sessions" -a '600 660 666'
complete -c sockcat -l interface -x -d 'Send and listen on that interface' \
    -n "$some_ip" -a '(__sockcat_interfaces)'
complete -c sockcat -l mptcp -d 'Multipath TCP' -n "$no_udp; and $some_ip"

# Proxies
set -l proxies "$connects; and $no_udp; and $no_hub; and $some_ip"
complete -c sockcat -s x -l proxy -x -d 'Connect through that proxy' \
    -n "$proxies" -a '(__sockcat_hosts)'
complete -c sockcat -s X -l proxy-type -x -d 'What the proxy speaks' \
    -n "$proxies" -a '4 5 connect http socks4 socks5'
complete -c sockcat -l proxy-auth-file -rF -n "$proxies" \
    -d 'A file with user and password for it'

# Who may connect
set -l ip_listener "$sessions; and $no_unix"
complete -c sockcat -l allow -x -d 'Only these may connect' \
    -n "$ip_listener" -a '(__sockcat_hosts)'
complete -c sockcat -l deny -x -d 'These may not connect' \
    -n "$ip_listener" -a '(__sockcat_hosts)'
complete -c sockcat -l allowfile -rF -d 'A list of who may connect' \
    -n "$ip_listener"
complete -c sockcat -l denyfile -rF -d 'A list of who may not' \
    -n "$ip_listener"

# For scripts
complete -c sockcat -l port-file -rF -d 'Write address and port there' \
    -n "$sessions"
complete -c sockcat -l ready-fd -x -d 'Write address and port to it' \
    -n "$sessions"
complete -c sockcat -s f -l background -d 'Detach once listening' \
    -n "$sessions"
