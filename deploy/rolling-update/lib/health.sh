# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# Whether a node serves: it runs, its URL answers this machine, its command
# succeeds where the node is; several times in a row.

load_health() {
  local given=no
  if look_up HEALTH_URL "$NODE"; then given=yes; fi
  if look_up HEALTH_COMMAND "$NODE"; then given=yes; fi
  [ "$given" = yes ] || usage_error \
    "$1: neither HEALTH_URL nor HEALTH_COMMAND is set (--health-url= goes without a check)"
  look_up_text HEALTH_URL "$NODE"; HEALTH_URL=$VALUE
  look_up_text HEALTH_COMMAND "$NODE"; HEALTH_COMMAND=$VALUE
  look_up_number HEALTH_DEADLINE_SECONDS "$NODE" 1; HEALTH_DEADLINE_SECONDS=$VALUE
  look_up_number HEALTH_SUCCESSES "$NODE" 1; HEALTH_SUCCESSES=$VALUE
  look_up_number HEALTH_INTERVAL_SECONDS "$NODE" 0; HEALTH_INTERVAL_SECONDS=$VALUE
  look_up_number HEALTH_TIMEOUT_SECONDS "$NODE" 1; HEALTH_TIMEOUT_SECONDS=$VALUE
}

print_health() {
  print_value HEALTH_URL "$HEALTH_URL"
  print_value HEALTH_COMMAND "$HEALTH_COMMAND"
  print_value health "$HEALTH_SUCCESSES in a row within $HEALTH_DEADLINE_SECONDS s, $HEALTH_INTERVAL_SECONDS s between, $HEALTH_TIMEOUT_SECONDS s each"
}

# Sets UNWELL to what is wrong, if anything is.
probe() {
  "state_$RUNNER" || { UNWELL='its state cannot be read'; return 1; }
  if [ "$STATE" != running ]; then
    UNWELL="it is $STATE"
    [ "$STATE" != ended ] || UNWELL+=" ($(tell_exit_code "$EXIT_CODE"))"
    return 1
  fi
  if [ -n "$HEALTH_URL" ]; then
    UNWELL=$(curl --silent --show-error --fail --output /dev/null \
      --max-time "$HEALTH_TIMEOUT_SECONDS" -- "$HEALTH_URL" 2>&1 </dev/null 9>&-) || return 1
  fi
  if [ -n "$HEALTH_COMMAND" ]; then
    local status=0
    UNWELL=$(on_node timeout "$HEALTH_TIMEOUT_SECONDS" sh -c "$HEALTH_COMMAND" 2>&1) || status=$?
    UNWELL="the health command ended with $status${UNWELL:+: $UNWELL}"
    [ "$status" -eq 0 ] || return 1
  fi
  UNWELL=''
}

await_health() {
  local row=0 end=$((SECONDS + HEALTH_DEADLINE_SECONDS))
  while :; do
    if probe; then
      row=$((row + 1))
      [ "$row" -lt "$HEALTH_SUCCESSES" ] || return 0
    else
      row=0
      # Nothing starts it again; waiting would not help.
      if [ "$STATE" = ended ]; then break; fi
    fi
    [ "$SECONDS" -lt "$end" ] || break
    sleep "$HEALTH_INTERVAL_SECONDS" 9>&-
  done
  trouble "it is not healthy: ${UNWELL:-only $row of $HEALTH_SUCCESSES probes in a row within $HEALTH_DEADLINE_SECONDS s}"
  return "$EXIT_UNHEALTHY"
}
