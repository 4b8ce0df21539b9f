# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# Runner process: a plain process in a memory cgroup of its own. Nobody starts
# it again when it ends: that is what the other runners are for.

load_process() {
  [ ${#COMMAND[@]} -gt 0 ] || usage_error "$1: COMMAND is not set"
  [[ ${COMMAND[0]} != *=* ]] || usage_error "$1: COMMAND begins with '${COMMAND[0]}', which is no program"
  look_up_text RUN_DIR "$NODE"; RUN_DIR=$VALUE
  [[ $RUN_DIR == /* ]] || usage_error "$1: RUN_DIR is '$RUN_DIR', not an absolute path"
  look_up_text LOG_FILE "$NODE"; LOG_FILE=${VALUE:-$RUN_DIR/log}
  [[ $LOG_FILE == /* ]] || usage_error "$1: LOG_FILE is '$LOG_FILE', not an absolute path"
  look_up_text CGROUP "$NODE"; CGROUP=$VALUE
  [[ $CGROUP =~ ^[A-Za-z0-9][A-Za-z0-9_./-]*$ && /$CGROUP/ != */../* ]] ||
    usage_error "$1: CGROUP is '$CGROUP', not a path below the root of the memory cgroups"
  look_up_text CGROUP_ROOT "$NODE"; CGROUP_ROOT=$VALUE
  [[ -z $CGROUP_ROOT || $CGROUP_ROOT == /* ]] ||
    usage_error "$1: CGROUP_ROOT is '$CGROUP_ROOT', not an absolute path"
}

print_process() {
  print_value RUN_DIR "$RUN_DIR"
  print_value LOG_FILE "$LOG_FILE"
  print_value CGROUP "$CGROUP"
  print_value CGROUP_ROOT "${CGROUP_ROOT:-(found)}"
  print_value FORCE_KILL "$FORCE_KILL"
}

state_process() {
  local out
  out=$(at_node process state "$RUN_DIR" 2>&1) || {
    trouble "its state cannot be read: $out"; return "$EXIT_UNREACHABLE"; }
  read -r STATE EXIT_CODE OLD_FINGERPRINT <<<"$out"
}

# The program itself, so that a new build under the same path is a change.
content_process() {
  CONTENT=$(at_node process content "$RUN_DIR" "${COMMAND[0]}" 2>&1) || {
    trouble "$CONTENT"; return "$EXIT_NOT_STARTED"; }
}

items_process() { ITEMS=("$RUN_DIR" "$LOG_FILE" "$CGROUP" "$CGROUP_ROOT"); }

stop_process() {
  local out status=0
  [ "$STATE" != absent ] || return 0
  out=$(at_node process stop "$RUN_DIR" "$GRACE_SECONDS" "$FORCE_KILL" 2>&1) || status=$?
  if [ "$status" -ne 0 ]; then
    trouble "$out"
    return "$EXIT_NOT_STOPPED"
  fi
  say "stopped ($(tell_exit_code "$out"))"
}

start_process() {
  local out
  out=$(at_node process start "$RUN_DIR" "$LOG_FILE" "$CGROUP_ROOT" "$CGROUP" \
    "$LIMIT_BYTES" "$HIGH_BYTES" "$SWAP_BYTES" "$FINGERPRINT" \
    ${ENVIRONMENT[@]+"${ENVIRONMENT[@]}"} "${COMMAND[@]}" 2>&1) || {
    trouble "$out"; return "$EXIT_NOT_STARTED"; }
  [ -z "$out" ] || say "$out"
}
