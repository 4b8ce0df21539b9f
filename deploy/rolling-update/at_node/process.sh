# shellcheck shell=sh
# SPDX-License-Identifier: Apache-2.0
# What rolling-update does with a plain process, where the process is.
#   state DIR                prints STATE EXIT-CODE FINGERPRINT
#   content DIR PROGRAM      prints the checksum of the program
#   stop DIR GRACE FORCE     SIGTERM; prints the exit code. 10: it is still there
#   start DIR LOG ROOT GROUP LIMIT HIGH SWAP FINGERPRINT [KEY=VALUE...] COMMAND...
# DIR holds: pid (pid, start time, boot), exit (pid, code), fingerprint, group.
set -euf
verb=$1 dir=$2
shift 2

fail() { echo "$1" >&2; exit "${2-1}"; }

# Of a process that lives: its start in ticks after boot. The name in the second
# field may hold anything, so what follows the last ')' is read.
# shellcheck disable=SC2016
common='
start_time() {
  stat=$(cat "/proc/$1/stat" 2>/dev/null) || return 1
  set -- ${stat##*) }
  case $1 in Z | X) return 1 ;; esac
  echo "${20}"
}
boot() { cat /proc/sys/kernel/random/boot_id; }
'
eval "$common"

# The process of the pid file, and no other that got its number.
running() {
  pid='' since='' booted=''
  [ -r "$dir/pid" ] || return 1
  read -r pid since booted <"$dir/pid" || return 1
  [ "$booted" = "$(boot)" ] && [ "$(start_time "$pid")" = "$since" ]
}

group_of_node() { [ ! -r "$dir/group" ] || cat "$dir/group"; }

members_of() {
  [ -n "$1" ] && [ -r "$1/cgroup.procs" ] || return 0
  while read -r member; do
    if start_time "$member" >/dev/null; then echo "$member"; fi
  done <"$1/cgroup.procs"
}

# What still runs in its cgroup, be it the node or what it started.
in_group() { members_of "$(group_of_node)"; }

busy() { running || [ -n "$(in_group)" ]; }

# await TENTHS CONDITION...: true as soon as the condition is.
await() {
  left=$1
  shift
  while ! "$@"; do
    [ "$left" -gt 0 ] || return 1
    left=$((left - 1))
    sleep 0.1
  done
}
idle() { ! busy; }

exit_code() {
  code=''
  [ ! -r "$dir/exit" ] || read -r _ code <"$dir/exit"
  echo "${code:-unknown}"
}
told() { [ -e "$dir/exit" ]; }

state() {
  fingerprint=''
  [ ! -r "$dir/fingerprint" ] || fingerprint=$(cat "$dir/fingerprint")
  if running; then echo "running 0 $fingerprint"
  elif [ -e "$dir/pid" ] || [ -n "$(in_group)" ]; then
    # It may have ended just now, and not be told of yet.
    if [ -e "$dir/pid" ] && [ "$booted" = "$(boot)" ]; then await 20 told || true; fi
    echo "ended $(exit_code) $fingerprint"
  else echo "absent 0"; fi
}

stop() {
  grace=$1 force=$2
  if running; then kill -TERM "$pid" 2>/dev/null || true; fi
  if ! await "$((grace * 10))" idle; then
    if [ "$force" != yes ]; then
      running && fail "process $pid is still there $grace s after SIGTERM; it is not killed without --force-kill" 10
      fail "the node has ended and left processes in its cgroup: $(in_group | tr '\n' ' ')" 10
    fi
    if running; then kill -KILL "$pid" 2>/dev/null || true; fi
    for member in $(in_group); do kill -KILL "$member" 2>/dev/null || true; done
    await 100 idle || fail "it is still there after SIGKILL" 10
  fi
  # Its keeper writes the code when it has seen the end.
  await 20 told || true
  exit_code
}

# Sets version (1, 2) and root.
find_memory_root() {
  version='' root=$1
  if [ -n "$root" ]; then
    version=1
    [ ! -e "$root/cgroup.controllers" ] || version=2
    return 0
  fi
  while read -r _ mount type options _; do
    case $type in
      cgroup) case ",$options," in *,memory,*) version=1 root=$mount ;; esac ;;
      cgroup2)
        case " $(cat "$mount/cgroup.controllers" 2>/dev/null) " in
          *' memory '*) version=2 root=$mount ;;
        esac ;;
    esac
  done </proc/mounts
  [ -n "$root" ] || fail "there is no memory cgroup to put the node in (CONTAINER_MEMORY_LIMIT= goes without a hard limit)"
}

# set_limit FILE VALUE: the kernel rounds to pages; what it says is what counts.
set_limit() {
  echo "$2" >"$1" || fail "$1 cannot be set to $2"
  got=$(cat "$1")
  case $2 in
    max | -1) ;;
    *)
      if [ "$got" -gt "$2" ] || [ "$((got + 65536))" -le "$2" ]; then
        fail "$1 is $got after it was set to $2"
      fi ;;
  esac
}

make_group_v1() {  # LIMIT HIGH SWAP
  swap_file=$group/memory.memsw.limit_in_bytes
  if [ -e "$swap_file" ]; then echo -1 >"$swap_file"; fi
  set_limit "$group/memory.limit_in_bytes" "$1"
  [ -z "$2" ] || echo "cgroup v1 has no memory.high: MEMORY_HIGH is not set"
  case $3 in
    '' | max) ;;
    *)
      if [ -e "$swap_file" ]; then set_limit "$swap_file" "$3"
      else echo "this kernel does not account for swap: MEMORY_SWAP is not set"; fi ;;
  esac
}

make_group_v2() {  # LIMIT HIGH SWAP
  set_limit "$group/memory.max" "$1"
  set_limit "$group/memory.high" "${2:-max}"
  case $3 in
    '' | max) swap=max ;;
    *) swap=$(($3 - $1)) ;;
  esac
  if [ -n "$3" ]; then set_limit "$group/memory.swap.max" "$swap"; fi
}

# A group made anew is charged with nothing that its predecessor left.
make_group() {  # ROOT GROUP LIMIT HIGH SWAP
  old=$(group_of_node)
  if [ -n "$old" ] && [ -d "$old" ]; then rmdir "$old" 2>/dev/null || true; fi
  rm -f "$dir/group"
  group=''
  [ -n "$3" ] || return 0
  find_memory_root "$1"
  group=$root
  rest=$2
  while [ -n "$rest" ]; do
    if [ "$version" = 2 ]; then
      echo +memory >"$group/cgroup.subtree_control" ||
        fail "the memory controller cannot be given to the groups below $group"
    fi
    group=$group/${rest%%/*}
    case $rest in */*) rest=${rest#*/} ;; *) rest='' ;; esac
    [ -d "$group" ] || mkdir "$group" || fail "the cgroup $group cannot be made"
  done
  [ -z "$(members_of "$group")" ] || fail "the cgroup $group is somebody else's: processes run in it"
  "make_group_v$version" "$3" "$4" "$5"
  echo "$group" >"$dir/group"
}

# Outside of the node's group, in a session of its own: it outlives the run that
# started it and the node, and writes down how the node ended.
# shellcheck disable=SC2016
keeper='
set -f
dir=$1 group=$2 fingerprint=$3
shift 3
(
  read -r self _ </proc/self/stat
  [ -z "$group" ] || echo "$self" >"$group/cgroup.procs" || exit 126
  exec env --default-signal=INT,QUIT -i PATH="$PATH" HOME="${HOME-/}" "$@"
) &
node=$!
since=$(start_time "$node") || since=0
echo "$fingerprint" >"$dir/fingerprint"
echo "$node $since $(boot)" >"$dir/pid.new"
mv "$dir/pid.new" "$dir/pid"
code=0
wait "$node" || code=$?
echo "$node $code" >"$dir/exit.new"
mv "$dir/exit.new" "$dir/exit"
'

# In its group, or over already.
settled() {
  [ -e "$dir/pid" ] || return 1
  running || return 0
  [ -z "$group" ] && return 0
  for member in $(members_of "$group"); do
    [ "$member" != "$pid" ] || return 0
  done
  return 1
}

start() {
  log=$1 root=$2 name=$3 limit=$4 high=$5 swap=$6 fingerprint=$7
  shift 7
  ! busy || fail "it already runs"
  mkdir -p "$dir"
  rm -f "$dir/pid" "$dir/exit" "$dir/fingerprint"
  make_group "$root" "$name" "$limit" "$high" "$swap"
  setsid --fork sh -c "$common$keeper" rolling-update-keeper "$dir" "$group" "$fingerprint" "$@" \
    </dev/null >>"$log" 2>&1 || fail "it cannot be started; is $log writable?"
  await 50 settled || fail "it did not start within 5 s; see $log"
  running || { await 20 told || true; fail "it ended at once with exit code $(exit_code); see $log"; }
}

case $verb in
  content)
    program=$(command -v "$1") || fail "there is no program '$1'"
    sum=$(sha256sum "$program") || fail "the program '$program' cannot be read"
    echo "${sum%% *}" ;;
  *) "$verb" "$@" ;;
esac
