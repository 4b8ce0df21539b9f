# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# Runner systemd: a drop-in beside an installed unit, then a restart. The unit
# says what runs and how long it may take to stop; the drop-in says with which
# environment and limits.

load_systemd() {
  look_up_text UNIT "$NODE"; UNIT=$VALUE
  [[ $UNIT =~ ^[A-Za-z0-9][A-Za-z0-9:_.@\\-]*\.service$ ]] ||
    usage_error "$1: UNIT is '$UNIT', not the name of a service unit"
  look_up_text UNIT_DIR "$NODE"; UNIT_DIR=$VALUE
  [[ $UNIT_DIR == /* ]] || usage_error "$1: UNIT_DIR is '$UNIT_DIR', not an absolute path"
  [ ${#COMMAND[@]} -eq 0 ] || usage_error "$1: COMMAND is set, and the unit says what runs"
}

print_systemd() {
  print_value UNIT "$UNIT"
  print_value drop-in "$UNIT_DIR/$UNIT.d/50-rolling-update.conf"
}

# "KEY=a b" as systemd reads it: quoted, no specifier, no escape.
environment_line() {
  local text=${1//\\/\\\\}
  text=${text//\"/\\\"}
  printf 'Environment="%s"\n' "${text//%/%%}"
}

# Explicit where a limit is off, for the unit may have one of its own.
drop_in() {
  local pair swap=''
  printf '# Written by rolling-update; the next run replaces it.\n[Service]\n'
  for pair in ${ENVIRONMENT[@]+"${ENVIRONMENT[@]}"}; do environment_line "$pair"; done
  printf 'MemoryMax=%s\nMemoryHigh=%s\n' "${LIMIT_BYTES:-infinity}" "${HIGH_BYTES:-infinity}"
  case $SWAP_BYTES in
    '') ;;
    max) swap=infinity ;;
    *) swap=$((SWAP_BYTES - LIMIT_BYTES)) ;;
  esac
  [ -z "$swap" ] || printf 'MemorySwapMax=%s\n' "$swap"
}

state_systemd() {
  local out
  out=$(at_node systemd state "$UNIT" "$UNIT_DIR" 2>&1) || {
    trouble "its state cannot be read: $out"; return "$EXIT_UNREACHABLE"; }
  read -r STATE EXIT_CODE OLD_FINGERPRINT <<<"$out"
}

content_systemd() { CONTENT=''; }
items_systemd() { ITEMS=("$UNIT" "$UNIT_DIR"); }

# A restart is one step of systemd's.
stop_systemd() { :; }

start_systemd() {
  local out
  out=$(at_node systemd apply "$UNIT" "$UNIT_DIR" "${LIMIT_BYTES:-infinity}" "$FINGERPRINT" \
    "$(drop_in)" 2>&1) || { trouble "$out"; return "$EXIT_NOT_STARTED"; }
}
