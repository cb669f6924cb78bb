# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# bash completion of sockwatch(8), list and all; it needs no helper of the bash-completion package.

# The words of $1 that go on from $cur, each behind $2.
_sockwatch_offer()
{
	mapfile -t COMPREPLY < <(compgen -P "$2" -W "$1" -- "$cur")
}

# A list joined by commas: the part behind the last one is completed.
_sockwatch_columns()
{
	local done=

	case $cur in
	*,*)
		done=${cur%,*},
		cur=${cur##*,}
		;;
	esac
	_sockwatch_offer "$1" "$done"
	compopt -o nospace 2>/dev/null
}

# The value of an option or of a filter's term that $prev names; false: $prev takes none.
_sockwatch_value()
{
	local columns='proto family_name type state recvq sendq local remote pid comm holders attribution user uid inode
		cookie netns device mark timer memory info context cgroup refs flags peer_inode exe cmdline ppid
		start_time fd socket family protocol local_address remote_address local_port remote_port path
		net_namespace'
	local states='established syn-sent syn-recv fin-wait-1 fin-wait-2 time-wait close close-wait last-ack listening
		closing bound-inactive all connected synchronized bucket big'

	case $command:$prev in
	list:-O | list:--columns) _sockwatch_columns "$columns osquery" ;;
	list:--sort)
		case $cur in
		-*) cur=${cur#-} && _sockwatch_offer "$columns" - ;;
		*) _sockwatch_offer "$columns" ;;
		esac
		;;
	list:-N | list:--net | *:netns) _sockwatch_offer "$(ls /run/netns 2>/dev/null)" ;;
	*:-F | *:--filter) mapfile -t COMPREPLY < <(compgen -f -- "$cur") ;;
	list:--plan | list:--ring | list:--duration | list:--count) return 1 ;;
	pin:--plan) _sockwatch_offer 'fentry kprobe tracepoint' ;;
	*:--plan) _sockwatch_offer 'fentry kprobe tracepoint none' ;;
	*:--ring) _sockwatch_offer '256 1024 4096 16384 65536' ;;
	*:--duration | *:--count) ;;
	*:state | *:exclude) _sockwatch_offer "$states" ;;
	*:dev) _sockwatch_offer "$(ls /sys/class/net 2>/dev/null)" ;;
	*:user) mapfile -t COMPREPLY < <(compgen -u -- "$cur") ;;
	*) return 1 ;;
	esac
	return 0
}

_sockwatch_options()
{
	case $command in
	list)
		_sockwatch_offer '-t --tcp -u --udp -w --raw -x --unix -0 --packet -M --mptcp -S --sctp -U --udplite --icmp
			--netlink --vsock --xdp --tipc -4 --ipv4 -6 --ipv6 -l --listening -a --all -B --bound-inactive -n --numeric -r --resolve
			-p --processes -e --extended -o --options -m --memory -i --info -Z --context -N --net -F --filter -O --columns
			--sort -H --no-header --wide --json --csv -v --verbose -h --help'
		;;
	doctor) _sockwatch_offer '-j --json -v --verbose -h --help' ;;
	pin) _sockwatch_offer '--plan --ring -v --verbose -h --help' ;;
	unpin) _sockwatch_offer '-v --verbose -h --help' ;;
	*)
		_sockwatch_offer '-4 --ipv4 -6 --ipv6 -l --listening -j --json --states --no-existing -F --filter --duration --count
			--plan --ring -v --verbose -h --help --version'
		;;
	esac
}

_sockwatch()
{
	local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]} command= commands= i
	local filter='and or not state exclude src dst sport dport dev fwmark cgroup autobound pid uid inode cookie comm exe
		user netns'

	COMPREPLY=()
	# readline splits at "="
	if [ "$cur" = = ]; then
		cur=
	elif [ "$prev" = = ] && ((COMP_CWORD > 1)); then
		prev=${COMP_WORDS[COMP_CWORD - 2]}
	fi
	# list is the first word; the others may come behind options
	for ((i = 1; i < COMP_CWORD; i++)); do
		case $i:${COMP_WORDS[i]} in
		1:list | *:stream | *:doctor | *:pin | *:unpin)
			command=${COMP_WORDS[i]}
			break
			;;
		esac
	done
	_sockwatch_value && return
	case $cur in
	-*)
		_sockwatch_options
		return
		;;
	esac
	((COMP_CWORD == 1)) && commands='stream list doctor pin unpin'
	case $command in
	doctor | pin | unpin) ;;
	*) _sockwatch_offer "$commands $filter" ;;
	esac
}

complete -F _sockwatch sockwatch
