# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# Settings have three states, absent, empty and a value, wherever they come
# from: command line, environment, a node's section of the configuration file,
# the file's head, the default.

# What may be set. A default that is absent here is absent.
SETTINGS=(NODE_LIST NODES LOCK_FILE DRY_RUN FORCE
  RUNNER HOST SSH_OPTIONS AS_ROOT
  DEFAULT_EXTRA_ENV EXTRA_ENV CONTAINER_MEMORY_LIMIT MEMORY_SWAP MEMORY_HIGH
  COMMAND NODE_VERSION IMAGE PULL CONTAINER_NAME DOCKER_ARGS UNIT UNIT_DIR
  RUN_DIR LOG_FILE CGROUP CGROUP_ROOT GRACE_SECONDS FORCE_KILL
  HEALTH_URL HEALTH_COMMAND HEALTH_DEADLINE_SECONDS HEALTH_SUCCESSES
  HEALTH_INTERVAL_SECONDS HEALTH_TIMEOUT_SECONDS)
# Of the run, not of a node: they stand in no section.
RUN_SETTINGS=" NODE_LIST NODES LOCK_FILE DRY_RUN FORCE "
SWITCHES=" DRY_RUN FORCE FORCE_KILL PULL "
# Those whose name in the environment is the contract's; all others have ROLL_
# in front there, since HOST or COMMAND may mean anything.
PLAIN_NAMES=" DEFAULT_EXTRA_ENV EXTRA_ENV CONTAINER_MEMORY_LIMIT "

declare -A DEFAULTS=(
  [LOCK_FILE]="${XDG_RUNTIME_DIR:-/run/lock}/fodc-rolling-update.lock"
  [DRY_RUN]=no [FORCE]=no [FORCE_KILL]=no [PULL]=yes
  [HOST]=local
  [SSH_OPTIONS]='-o BatchMode=yes -o ConnectTimeout=10'
  [AS_ROOT]=''
  [DEFAULT_EXTRA_ENV]='GOMEMLIMIT=1800MiB' [EXTRA_ENV]=''
  [CONTAINER_MEMORY_LIMIT]=2500m
  [COMMAND]='' [NODE_VERSION]='' [CONTAINER_NAME]='{node}' [DOCKER_ARGS]=''
  [UNIT]='{node}.service' [UNIT_DIR]=/etc/systemd/system
  [RUN_DIR]='/run/fodc-roll/{node}' [CGROUP]='fodc-roll/{node}' [CGROUP_ROOT]=''
  [GRACE_SECONDS]=30
  [HEALTH_DEADLINE_SECONDS]=120 [HEALTH_SUCCESSES]=3
  [HEALTH_INTERVAL_SECONDS]=1 [HEALTH_TIMEOUT_SECONDS]=2)

declare -A FLAGS=()   # KEY -> value
declare -A FILE=()    # [section/]KEY -> value; the head has no section
SECTIONS=()           # in the order of the file

usage_error() {
  printf 'rolling-update: %s\n' "$*" >&2
  exit "$EXIT_USAGE"
}

is_setting() { [[ " ${SETTINGS[*]} " == *" $1 "* ]]; }

# "--memory-swap" for MEMORY_SWAP.
flag_of() {
  local name=${1,,}
  printf -- '--%s' "${name//_/-}"
}

env_name_of() {
  if [[ $PLAIN_NAMES == *" $1 "* ]]; then printf %s "$1"; else printf 'ROLL_%s' "$1"; fi
}

# parse_flags ARG...: fills FLAGS; --node adds to NODE_LIST.
parse_flags() {
  local arg key value
  while [ $# -gt 0 ]; do
    arg=$1; shift
    case $arg in
      --help | -h) print_help; exit 0 ;;
      --*) ;;
      *) usage_error "'$arg' is not a flag (try --help)" ;;
    esac
    key=${arg#--}; key=${key%%=*}
    [[ $key != *[A-Z_]* ]] || usage_error "'${arg%%=*}' is not a flag (try --help)"
    key=${key^^}; key=${key//-/_}
    if [ "$key" != CONFIG ] && [ "$key" != NODE ] && ! is_setting "$key"; then
      usage_error "'${arg%%=*}' is not a flag (try --help)"
    fi
    if [[ $arg == *=* ]]; then value=${arg#*=}
    elif [[ $SWITCHES == *" $key "* ]]; then value=yes
    elif [ $# -gt 0 ]; then value=$1; shift
    else usage_error "$arg needs a value ($arg= gives an empty one)"; fi
    if [ "$key" = NODE ]; then FLAGS[NODE_LIST]+=" $value"
    else FLAGS[$key]=$value; fi
  done
}

# read_config FILE: fills FILE and SECTIONS. The file is data: nothing in it is
# run. A value in quotes may go on over lines.
read_config() {
  local path=$1 line='' number=0 section='' key value quote start
  [ -r "$path" ] || usage_error "the configuration file '$path' cannot be read"
  while IFS= read -r line || [ -n "$line" ]; do
    number=$((number + 1))
    line=${line%$'\r'}
    line=${line#"${line%%[!$' \t']*}"}
    line=${line%"${line##*[!$' \t']}"}
    case $line in
      '' | '#'*) continue ;;
      '['*']')
        section=${line#[}; section=${section%]}
        check_name "$section" "$path:$number"
        [[ " ${SECTIONS[*]-} " != *" $section "* ]] ||
          usage_error "$path:$number: section [$section] stands there twice"
        SECTIONS+=("$section")
        continue ;;
      *=*) ;;
      *) usage_error "$path:$number: '$line' is neither KEY=VALUE nor [node]" ;;
    esac
    key=${line%%=*}; value=${line#*=}; start=$number
    is_setting "$key" || usage_error "$path:$number: there is no setting '$key'"
    if [ -n "$section" ] && [[ $RUN_SETTINGS == *" $key "* ]]; then
      usage_error "$path:$number: $key is of the whole run and stands in no section"
    fi
    quote=${value:0:1}
    if [ "$quote" = '"' ] || [ "$quote" = "'" ]; then
      value=${value:1}
      while [[ $value != *"$quote"* ]]; do
        IFS= read -r line || [ -n "$line" ] ||
          usage_error "$path:$start: $key: the quote is not closed"
        number=$((number + 1))
        value+=$'\n'$line
      done
      [[ ${value#*"$quote"} != *[!$' \t\r']* ]] ||
        usage_error "$path:$number: $key: something follows the closing quote"
      value=${value%%"$quote"*}
    fi
    [ -z "${FILE[${section:+$section/}$key]+x}" ] ||
      usage_error "$path:$start: $key stands there twice"
    FILE[${section:+$section/}$key]=$value
  done <"$path"
}

# look_up KEY [NODE]: sets VALUE and ORIGIN; fails if the setting is absent.
look_up() {
  local key=$1 node=${2-} name
  name=$(env_name_of "$key")
  if [ -n "${FLAGS[$key]+x}" ]; then VALUE=${FLAGS[$key]}; ORIGIN=$(flag_of "$key")
  elif [ -n "${!name+x}" ]; then VALUE=${!name}; ORIGIN="environment $name"
  elif [ -n "$node" ] && [ -n "${FILE[$node/$key]+x}" ]; then
    VALUE=${FILE[$node/$key]}; ORIGIN="configuration file [$node]"
  elif [ -n "${FILE[$key]+x}" ]; then VALUE=${FILE[$key]}; ORIGIN="configuration file"
  elif [ -n "${DEFAULTS[$key]+x}" ]; then VALUE=${DEFAULTS[$key]}; ORIGIN=default
  else VALUE=''; ORIGIN=absent; return 1; fi
}

# As look_up; absent is empty. {node} and {host} are filled in.
look_up_text() {
  look_up "$@" || true
  VALUE=${VALUE//'{node}'/${2-}}
  VALUE=${VALUE//'{host}'/"${HOST_NAME-}"}
}

# look_up_number KEY NODE LEAST: sets VALUE.
look_up_number() {
  look_up "$1" "$2" || true
  [[ $VALUE =~ ^[0-9]{1,6}$ && $((10#${VALUE:-0})) -ge $3 ]] ||
    usage_error "node $2: $1 ($ORIGIN) is '$VALUE', not a whole number from $3 to 999999"
  VALUE=$((10#$VALUE))
}

# look_up_switch KEY [NODE]: true if it is on; empty is off.
look_up_switch() {
  look_up "$@" || true
  case $VALUE in
    yes) return 0 ;;
    no | '') return 1 ;;
    *) usage_error "$1 ($ORIGIN) is '$VALUE', neither yes nor no" ;;
  esac
}

check_name() {  # check_name NAME WHERE
  [[ $1 =~ ^[A-Za-z0-9][A-Za-z0-9_.-]*$ ]] ||
    usage_error "$2: '$1' is not a node's name (letters, digits, '_', '.', '-')"
}
