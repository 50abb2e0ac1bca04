# Completion of sockcat for fish.

# A row an option: whether it acts (+), is accepted (.) or refused (-) in each
# mode, then with TCP, UDP, Unix streams and Unix datagrams, both as the table
# in sockcat.c has them; its letter, and its name, with = if it takes a value.
# What an option makes another mode or kind of is refused here.
set -g __sockcat_table \
    '+++++++++++bb+ ++-- -4 --ipv4' \
    '+++++++++++bb+ ++-- -6 --ipv6' \
    '++++++++++++++ --++ -U --unixsock' \
    '+++++++-++++++ -+-+ -u --udp' \
    '+++++++++++bb+ ++.. -n --nodns' \
    '+--+----+--oo+ ++-+ -s --source=' \
    '++++++++++++++ ++-- -p --source-port=' \
    '-++-++++-++++- ++++ -l --listen' \
    '---+++-------- ++++ -e --echo' \
    'd--d--+-d----- ++++ -b --broadcast' \
    'd--d--+-d----- ++++ --broker' \
    '-------+------ +-+- --chat' \
    '--------+++--- ++++ -c --sh-exec=' \
    '--------+++--- ++++ --exec=' \
    '-----------++- ++++ --forward=' \
    '-------------+ ++++ -z --zero' \
    '-------------+ ++-- --parallel=' \
    '--+--+..--+-+- ++++ -k --keep-open' \
    '--+--s++--+-+- ++++ -m --max-conns=' \
    '--s--ss+--s-s- ++++ --count=' \
    '+++...++...... ++++ -d --recv-only' \
    '+++----------- ++++ --send-only' \
    '+++........... +.+. -N --shutdown' \
    '+++----------- +-+- --no-shutdown' \
    '++............ ++++ -q --quit=' \
    '-ss-sss+-ssss- ++++ --drain=' \
    '+--+----+--+++ ++++ --retry=' \
    '++-----------u ++++ --send=' \
    '++------------ ++++ --expect=' \
    '++------------ -+-+ -W --recvlimit=' \
    '++------------ ++++ --recv-bytes=' \
    '+------------- ++++ -F --fd-pass' \
    '++++++++++++++ ++++ -w --wait=' \
    '+++++s+++++++- ++++ --idle-timeout=' \
    '++++++++++++++ ++++ --max-time=' \
    '+++----------- ++++ -C --crlf' \
    '+++---+.------ ++++ --lines' \
    '+++----------+ ++++ -i --interval=' \
    '+++----------+ ++++ --delay=' \
    '++s+ss--sssss- ++++ --rate=' \
    '++------------ +-+- -t --telnet' \
    '+++++++++++++- ++++ -o --output=' \
    '+++++++++++++- ++++ --hex-dump=' \
    '+++++++++++++- ++++ --append-output' \
    '++---------++- ++++ --progress' \
    '+++++++++++++- ++++ --stats' \
    '++++++++++++++ ++++ --json' \
    '++++++++++++++ ++++ -v --verbose' \
    '++++++++++++++ ++++ --quiet' \
    '++++++++---+++ ++++ --no-sandbox' \
    '++++++++++++++ ++++ -h --help' \
    '++++++++++++++ ++++ -V --version' \
    '++++++++++++++ ++++ -I --rcvbuf=' \
    '++++++++++++++ ++++ -O --sndbuf=' \
    '+++++++++++bb- +--- --keepalive' \
    '+++++++++++bb- +--- --no-keepalive' \
    '++++++++++++++ ++-- --no-reuseaddr' \
    '-++-++++-++++- ++-- --reuseport' \
    '+++++++++++bb- +--- --nodelay' \
    '+++++++++++bb- +--- --no-nodelay' \
    '-++-++++-++++- +-+- --backlog=' \
    '+++++++++++bb+ ++-- -T --tos=' \
    '+++++++++++bb+ ++-- -M --ttl=' \
    '+++++++++++--+ +--- --reset' \
    '-++-++++-++++- --++ --mode=' \
    '+++++++++++oo+ ++-- --interface=' \
    '+++++++++++bb+ +--- --mptcp' \
    '+--+----+--oo+ +--- -x --proxy=' \
    '+--+----+--oo+ +--- -X --proxy-type=' \
    '+--+----+--oo+ +--- --proxy-auth-file=' \
    '-++-++++-++++- ++-- --allow=' \
    '-++-++++-++++- ++-- --deny=' \
    '-++-++++-++++- ++-- --allowfile=' \
    '-++-++++-++++- ++-- --denyfile=' \
    '-++-++++-++++- ++++ --port-file=' \
    '-++-++++-++++- ++++ --ready-fd=' \
    '-++-++++-++++- ++++ -f --background'

# What makes no sense with the first of a row.
set -g __sockcat_clashes \
    '--ipv4 --ipv6' \
    '--recv-only --send-only' \
    '--sh-exec --exec' \
    '--send-only --expect --recvlimit --recv-bytes --fd-pass' \
    '--expect --recvlimit --recv-bytes' \
    '--fd-pass --no-shutdown --send --expect --recvlimit --recv-bytes '\
'--idle-timeout --crlf --lines --interval --delay --rate --telnet --output '\
'--hex-dump --append-output --progress --stats --reset'

# __sockcat_note OPTION: it is given; true if it takes a value.
function __sockcat_note
    set -l option (string escape --style=regex -- $argv)
    set -l row (string match -er -- " $option(?=[ =]|\$)" $__sockcat_table)
    set -ga __sockcat_rows $row
    string match -q '*=' -- "$row"
end

# __sockcat_words: find the rows of the options in the words before the cursor,
# and how many operands there are.
function __sockcat_words
    set -l skip 0
    # One that always fits, as there has to be one.
    set -g __sockcat_rows '++++++++++++++ ++++'
    set -g __sockcat_operands 0
    for word in $argv
        if test $skip = 1
            set skip 0
        else if string match -q -- '--*=*' $word
            __sockcat_note (string split -m 1 = -- $word)[1]
        else if string match -q -- '--*' $word
            __sockcat_note $word
            and set skip 1
        else if string match -q -- '-?*' $word
            set -l letters (string split '' -- (string sub -s 2 -- $word))
            for i in (seq (count $letters))
                if __sockcat_note -$letters[$i]
                    test $i = (count $letters)
                    and set skip 1
                    break
                end
            end
        else
            set __sockcat_operands (math $__sockcat_operands + 1)
        end
    end
end

# __sockcat_read: set __sockcat_offers to the names of the options that make
# sense with what is given, maybe only once one of -l, -k, -u, -U and -z
# follows; and __sockcat_not to what it clashes with.
function __sockcat_read
    set -l words (commandline -opc)
    test "$words" = "$__sockcat_line"
    and return
    set -g __sockcat_line "$words"
    set -g __sockcat_not
    set -g __sockcat_offers
    __sockcat_words $words[2..-1]

    # What makes a mode, each as the table has it.
    set -l makers '' '' '' ' --echo' ' --echo' ' --echo' ' --bro' ' --chat' \
        exec exec exec ' --forward' ' --forward' ''
    set -l marks sb udb sb ub
    set -l other_side 0 1 0 1
    string match -qr -- '--forward[ =](unix:|@)' "$words"
    and set other_side 2 3 2 3
    set -l fits
    for mode in (seq 0 13)
        for kind in 1 2 3 4
            set -l fit "^.{$mode}(?:[+.$marks[$kind]]\S* .{"(math $kind - 1)\
"}|[ob]\S* .{$other_side[$kind]})[+.]"
            string match -qvr -- $fit $__sockcat_rows
            and continue
            set -l maker $makers[(math $mode + 1)]
            string match -q -- "*$maker*" "$__sockcat_rows"
            and set maker
            set -a fits "$fit.*$maker"
        end
    end
    if set -q fits[1]
        set __sockcat_offers (string match -er -- (string join '|' $fits) \
            $__sockcat_table | string replace -r '.* (--[^=]*)=?' '$1')
    end
    for clash in $__sockcat_clashes
        set -l names (string split ' ' -- $clash)
        for name in $names[2..-1]
            __sockcat_given $names[1]
            and set -a __sockcat_not $name
            __sockcat_given $name
            and set -a __sockcat_not $names[1]
        end
    end
end

# __sockcat_given OPTION: it stands before the cursor.
function __sockcat_given
    __sockcat_read
    string match -qr -- " $argv(?=[ =]|\$)" "$__sockcat_rows"
end

function __sockcat_fits
    __sockcat_read
    contains -- $argv $__sockcat_offers
    and not contains -- $argv $__sockcat_not
end

# __sockcat_at_port: the host is there, or there need not be one.
function __sockcat_at_port
    __sockcat_given --listen
    or test $__sockcat_operands -gt 0
end

# __sockcat_option NAME ARGUMENT...: complete(1) with that, where it fits.
function __sockcat_option
    complete -c sockcat -n "__sockcat_fits --$argv[1]" -l $argv
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
    __sockcat_given --unixsock
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

# Operands: a path, or a host and a port.
complete -c sockcat -f
complete -c sockcat -n '__sockcat_given --unixsock' -F
set -l no_unix 'not __sockcat_given --unixsock'
complete -c sockcat -n "$no_unix; and not __sockcat_at_port" \
    -a '(__sockcat_hosts)' -d Host
complete -c sockcat -n "$no_unix; and __sockcat_at_port" \
    -a '(__sockcat_services)' -d Port
complete -c sockcat -n "$no_unix; and __sockcat_given --listen" \
    -a '(__sockcat_hosts)' -d Host

# Addresses
__sockcat_option ipv4 -s 4 -d 'IPv4 only'
__sockcat_option ipv6 -s 6 -d 'IPv6 only'
__sockcat_option unixsock -s U -d 'Unix-domain socket'
__sockcat_option udp -s u -d 'Datagrams'
__sockcat_option nodns -s n -d 'Numeric hosts and ports only'
__sockcat_option source -s s -x -d 'Local address' -a '(__sockcat_local_ends)'
__sockcat_option source-port -s p -x -d 'Local port' -a '(__sockcat_services)'

# Modes
__sockcat_option listen -s l -d 'Wait for a connection'
__sockcat_option echo -s e -d 'Send every byte back'
__sockcat_option broadcast -s b \
    -d 'With -l: a hub; client -u: allow broadcast addresses'
__sockcat_option broker -d 'The same as --broadcast'
__sockcat_option chat -d 'With -l: a hub for people'
__sockcat_option sh-exec -s c -x -a '(__sockcat_commands)' \
    -d 'Attach a command, run by /bin/sh -c'
__sockcat_option exec -x -a '(__sockcat_commands)' \
    -d 'Attach a command, run directly'
__sockcat_option forward -x -a '(__sockcat_onward)' \
    -d 'With -l: connect each peer to an address'
__sockcat_option zero -s z -d 'Only test: connect and close'
__sockcat_option parallel -x -d 'Test that many ports at once'

# Session
__sockcat_option keep-open -s k -d 'With -l: serve many peers'
__sockcat_option max-conns -s m -x -d 'At most that many peers at once'
__sockcat_option count -x -d 'Accept that many peers, finish them, exit'
__sockcat_option recv-only -s d -d 'Do not read standard input'
__sockcat_option send-only -d 'Discard what is received'
__sockcat_option shutdown -s N -d 'Half-close after the end of input (default)'
__sockcat_option no-shutdown -d 'Do not half-close after the end of input'
__sockcat_option quit -s q -x \
    -d 'End when one direction has ended and the other rests'
__sockcat_option drain -x -d 'On SIGTERM let the sessions finish'
__sockcat_option retry -x -d 'Keep trying to connect'
__sockcat_option send -x -d 'Send that instead of standard input'
__sockcat_option expect -x -d 'Succeed as soon as that has been received'
__sockcat_option recvlimit -s W -x -d 'End after that many datagrams'
__sockcat_option recv-bytes -x -d 'End after exactly that many bytes'
__sockcat_option fd-pass -s F -d 'Pass the connection on, and exit'

# Time limits
__sockcat_option wait -s w -x -d 'Time to connect, then for silence'
__sockcat_option idle-timeout -x -d 'Time of silence on a connection'
__sockcat_option max-time -x -d 'Time for the whole run'

# Shaping
__sockcat_option crlf -s C -d 'LF becomes CRLF on the way out'
__sockcat_option lines -d 'A line is a message'
__sockcat_option interval -s i -x -d 'Pause between lines sent, or ports tested'
__sockcat_option delay -x -d 'The same as --interval'
__sockcat_option rate -x -d 'At most so many bytes a second'
__sockcat_option telnet -s t -d 'Refuse what telnet negotiates'

# Watching
__sockcat_option output -s o -rF -d 'A copy of the traffic'
__sockcat_option hex-dump -rF -d 'The same in hexadecimal'
__sockcat_option append-output -d 'Keep what those files hold'
__sockcat_option progress -d 'A line on the terminal, while data moves'
__sockcat_option stats -d 'Statistics at the end, and on SIGUSR1'
__sockcat_option json -d 'An object for each event, error, statistic'

# Messages
__sockcat_option verbose -s v -d 'Say what happens'
__sockcat_option quiet -d 'Not even errors'
__sockcat_option no-sandbox -d 'Keep all rights, for debugging'
__sockcat_option help -s h -d 'Show the help'
__sockcat_option version -s V -d 'Show the version'

# Socket options
__sockcat_option rcvbuf -s I -x -d 'Receive buffer'
__sockcat_option sndbuf -s O -x -d 'Send buffer'
__sockcat_option keepalive -d 'Find vanished peers'
__sockcat_option no-keepalive -d 'Do not look for vanished peers'
__sockcat_option no-reuseaddr -d 'No SO_REUSEADDR'
__sockcat_option reuseport -d 'SO_REUSEPORT'
__sockcat_option nodelay -d 'TCP_NODELAY (default)'
__sockcat_option no-nodelay -d 'Gather small writes'
__sockcat_option backlog -x -d 'Connections that may wait to be accepted'
__sockcat_option tos -s T -x -d 'DSCP or type of service' \
    -a 'af11 af12 af13 af21 af22 af23 af31 af32 af33 af41
        af42 af43 critical cs0 cs1 cs2 cs3 cs4 cs5 cs6 cs7 ef inetcontrol le
        lowcost lowdelay netcontrol reliability throughput'
__sockcat_option ttl -s M -x -d 'TTL and hop limit'
__sockcat_option reset -d 'Close with a reset'
__sockcat_option mode -x -d 'Permissions of the Unix socket' -a '600 660 666'
__sockcat_option interface -x -a '(__sockcat_interfaces)' \
    -d 'Send and listen on that interface'
__sockcat_option mptcp -d 'Multipath TCP'

# Proxies
__sockcat_option proxy -s x -x -a '(__sockcat_hosts)' \
    -d 'Connect through that proxy'
__sockcat_option proxy-type -s X -x -a '4 5 connect http socks4 socks5' \
    -d 'What the proxy speaks'
__sockcat_option proxy-auth-file -rF -d 'A file with user and password for it'

# Who may connect
__sockcat_option allow -x -d 'Only these may connect' -a '(__sockcat_hosts)'
__sockcat_option deny -x -d 'These may not connect' -a '(__sockcat_hosts)'
__sockcat_option allowfile -rF -d 'A list of who may connect'
__sockcat_option denyfile -rF -d 'A list of who may not'

# For scripts
__sockcat_option port-file -rF -d 'Write address and port there'
__sockcat_option ready-fd -x -d 'Write address and port to it'
__sockcat_option background -s f -d 'Detach once listening'
