# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# One node: its settings, its effective values, and commands run where it is.

# load_node NODE: sets everything about it, or ends the run with a usage error.
load_node() {
  NODE=$1
  local whose="node $NODE"
  look_up HOST "$NODE"; HOST=${VALUE:-local}
  [ -n "${HOST_OF[$NODE]}" ] && [ -z "${FLAGS[HOST]+x}" ] && HOST=${HOST_OF[$NODE]}
  [[ $HOST =~ ^[A-Za-z0-9_.@:%/][A-Za-z0-9_.@:%/-]*$ ]] ||
    usage_error "$whose: '$HOST' is not a host for ssh"
  HOST_NAME=${HOST##*@}; [ "$HOST" != local ] || HOST_NAME=localhost
  look_up_list SSH_OPTIONS; SSH_OPTIONS=(${LIST[@]+"${LIST[@]}"})
  look_up_list AS_ROOT; AS_ROOT=(${LIST[@]+"${LIST[@]}"})
  look_up RUNNER "$NODE" || usage_error "$whose: RUNNER is not set (docker, systemd or process)"
  RUNNER=$VALUE
  case $RUNNER in
    docker | systemd | process) ;;
    *) usage_error "$whose: RUNNER ($ORIGIN) is '$RUNNER', none of docker, systemd, process" ;;
  esac

  # Under names of their own: a variable EXTRA_ENV here would be the environment
  # of the next node's look_up.
  look_up DEFAULT_EXTRA_ENV "$NODE"; PAIRS_DEFAULT=$VALUE PAIRS_DEFAULT_FROM=$ORIGIN
  look_up EXTRA_ENV "$NODE"; PAIRS_GIVEN=$VALUE PAIRS_GIVEN_FROM=$ORIGIN
  merge_environment "$whose" "$PAIRS_DEFAULT" "$PAIRS_GIVEN"
  split_list "$PAIRS_DEFAULT"; PAIRS_DEFAULT=${LIST[*]-}
  split_list "$PAIRS_GIVEN"; PAIRS_GIVEN=${LIST[*]-}
  load_memory "$whose"

  look_up_list COMMAND; COMMAND=(${LIST[@]+"${LIST[@]}"})
  look_up_text NODE_VERSION "$NODE"; NODE_VERSION=$VALUE
  look_up_number GRACE_SECONDS "$NODE" 0; GRACE_SECONDS=$VALUE
  FORCE_KILL=no; if look_up_switch FORCE_KILL "$NODE"; then FORCE_KILL=yes; fi
  load_health "$whose"
  "load_$RUNNER" "$whose"
}

# look_up_list KEY: sets LIST, with {node} and {host} filled in.
look_up_list() {
  look_up_text "$1" "$NODE"
  split_list "$VALUE"
}

# Hard limit, the line below it at which the kernel slows the node down, and the
# sum of memory and swap.
load_memory() {
  local whose=$1
  look_up CONTAINER_MEMORY_LIMIT "$NODE"
  MEMORY_LIMIT=${VALUE//[$' \t\r\n']/} MEMORY_LIMIT_FROM=$ORIGIN LIMIT_BYTES=''
  if [ -n "$MEMORY_LIMIT" ]; then
    parse_size "$MEMORY_LIMIT" || usage_error \
      "$whose: CONTAINER_MEMORY_LIMIT ($ORIGIN) is '$MEMORY_LIMIT', not a size such as 2500m"
    LIMIT_BYTES=$BYTES
  fi

  MEMORY_SWAP='' MEMORY_SWAP_FROM="no hard limit, so none is stated" SWAP_BYTES=''
  if ! look_up MEMORY_SWAP "$NODE"; then
    if [ -n "$MEMORY_LIMIT" ]; then
      MEMORY_SWAP=$MEMORY_LIMIT SWAP_BYTES=$LIMIT_BYTES
      MEMORY_SWAP_FROM="default: memory and swap together, so no swap"
    fi
  else
    MEMORY_SWAP=${VALUE//[$' \t\r\n']/} MEMORY_SWAP_FROM=$ORIGIN
    if [ -n "$MEMORY_SWAP" ] && [ -z "$MEMORY_LIMIT" ]; then
      usage_error "$whose: MEMORY_SWAP ($ORIGIN) is '$MEMORY_SWAP' and there is no hard limit"
    elif [ "$MEMORY_SWAP" = -1 ]; then SWAP_BYTES=max
    elif [ -n "$MEMORY_SWAP" ]; then
      { parse_size "$MEMORY_SWAP" && [ "$BYTES" -ge "$LIMIT_BYTES" ]; } || usage_error \
        "$whose: MEMORY_SWAP ($ORIGIN) is '$MEMORY_SWAP', neither -1 nor a size from $MEMORY_LIMIT on"
      SWAP_BYTES=$BYTES
    fi
  fi

  MEMORY_HIGH='' MEMORY_HIGH_FROM='no hard limit' HIGH_BYTES=''
  if look_up MEMORY_HIGH "$NODE"; then
    MEMORY_HIGH=${VALUE//[$' \t\r\n']/} MEMORY_HIGH_FROM=$ORIGIN
    [ "$RUNNER" != docker ] || [ -z "$MEMORY_HIGH" ] || usage_error \
      "$whose: MEMORY_HIGH ($ORIGIN) is '$MEMORY_HIGH' and docker cannot set it"
  elif [ "$RUNNER" = docker ]; then MEMORY_HIGH_FROM='docker cannot set it'
  elif [ -n "$MEMORY_LIMIT" ]; then MEMORY_HIGH=95% MEMORY_HIGH_FROM=default; fi
  if [[ $MEMORY_HIGH =~ ^([1-9][0-9]?)%$ ]] && [ -n "$LIMIT_BYTES" ]; then
    # shellcheck disable=SC2017  # the product could overflow
    HIGH_BYTES=$((LIMIT_BYTES / 100 * BASH_REMATCH[1]))
  elif [ -n "$MEMORY_HIGH" ]; then
    { parse_size "$MEMORY_HIGH" && [ "$BYTES" -lt "${LIMIT_BYTES:-$((BYTES + 1))}" ]; } || usage_error \
      "$whose: MEMORY_HIGH ($ORIGIN) is '$MEMORY_HIGH', neither 1% to 99% of a hard limit nor a size below it"
    HIGH_BYTES=$BYTES
  fi
  warn_of_lines "$whose"
}

# A soft limit that is not below the other lines gives nothing back in time.
warn_of_lines() {
  local pair soft='' soft_bytes='' stop='' stop_bytes=''
  for pair in ${ENVIRONMENT[@]+"${ENVIRONMENT[@]}"}; do
    case $pair in
      GOMEMLIMIT=* | *_MEMORY_SOFT_LIMIT=*)
        parse_size "${pair#*=}" || continue
        soft=$pair soft_bytes=$BYTES
        if [ -n "$LIMIT_BYTES" ] && [ "$BYTES" -ge "$LIMIT_BYTES" ]; then
          WARNINGS+=("$1: $pair is not below the hard limit $MEMORY_LIMIT")
        fi ;;
      *_MEMORY_SHUTDOWN_THRESHOLD_MB=*)
        parse_size "${pair#*=}m" || continue
        stop=$pair stop_bytes=$BYTES
        if [ -n "$LIMIT_BYTES" ] && [ "$BYTES" -ge "$LIMIT_BYTES" ]; then
          WARNINGS+=("$1: $pair (MiB) is not below the hard limit $MEMORY_LIMIT")
        fi ;;
    esac
  done
  # The node refuses work from 8/9 of the threshold on.
  # shellcheck disable=SC2017  # the product could overflow
  if [ -n "$soft" ] && [ -n "$stop" ] && [ "$soft_bytes" -ge $((stop_bytes / 9 * 8)) ]; then
    WARNINGS+=("$1: $soft is not below 8/9 of $stop (MiB): work is refused before memory is given back")
  fi
}

# Before anything is done: what this run would give the node.
print_node() {
  printf 'node %s: %s on %s\n' "$NODE" "$RUNNER" "$HOST"
  print_value DEFAULT_EXTRA_ENV "$PAIRS_DEFAULT" "$PAIRS_DEFAULT_FROM"
  print_value EXTRA_ENV "$PAIRS_GIVEN" "$PAIRS_GIVEN_FROM"
  print_value environment "$(quote ${ENVIRONMENT[@]+"${ENVIRONMENT[@]}"})" merged
  print_value CONTAINER_MEMORY_LIMIT "$MEMORY_LIMIT" "$MEMORY_LIMIT_FROM"
  print_value MEMORY_SWAP "$MEMORY_SWAP" "$MEMORY_SWAP_FROM"
  print_value MEMORY_HIGH "$MEMORY_HIGH${HIGH_BYTES:+ = $HIGH_BYTES bytes}" "$MEMORY_HIGH_FROM"
  print_value COMMAND "$(quote ${COMMAND[@]+"${COMMAND[@]}"})"
  print_value NODE_VERSION "$NODE_VERSION"
  "print_$RUNNER"
  print_value GRACE_SECONDS "$GRACE_SECONDS"
  print_health
}

# print_value NAME VALUE [FROM]
print_value() {
  printf '  %-23s %s%s\n' "$1" "${2:-(empty)}" "${3:+  [$3]}"
}

# on_node ARG...: runs it where the node is, with nothing on its input and
# without the lock, which a node that starts here must not hold.
on_node() {
  local words=(${AS_ROOT[@]+"${AS_ROOT[@]}"} "$@")
  if [ "$HOST" = local ]; then "${words[@]}" </dev/null 9>&-
  else
    ssh ${SSH_OPTIONS[@]+"${SSH_OPTIONS[@]}"} -- "$HOST" "$(quote "${words[@]}")" </dev/null 9>&-
  fi
}

# at_node PROGRAM ARG...: runs a program of at_node/ there; it need not be
# installed there.
at_node() {
  local text program=$1
  shift
  text=$(cat "$HERE/at_node/$program.sh")
  on_node sh -c "$text" "$program" "$@"
}

# 2 is what the guard's memory watchdog ends a process with, 137 the kernel's
# or somebody's SIGKILL.
tell_exit_code() {
  case $1 in
    0) printf 'exit code 0' ;;
    2) printf 'exit code 2: it stopped itself under memory pressure' ;;
    137) printf 'exit code 137: killed, by the kernel for memory or by hand' ;;
    unknown) printf 'exit code unknown' ;;
    *) printf 'exit code %s' "$1" ;;
  esac
}
