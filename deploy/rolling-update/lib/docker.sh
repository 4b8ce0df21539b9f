# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# Runner docker: a container per node. The engine starts it again by itself
# (--restart unless-stopped), after exit code 2 too.
LABEL=fodc.rolling-update.fingerprint

load_docker() {
  look_up_text IMAGE "$NODE"; IMAGE=$VALUE
  [ -n "$IMAGE" ] || usage_error "$1: IMAGE is not set"
  [[ $IMAGE != -* && $IMAGE != *[$' \t\r\n']* ]] || usage_error "$1: '$IMAGE' is not an image"
  look_up_text CONTAINER_NAME "$NODE"; CONTAINER_NAME=${VALUE:-$NODE}
  check_name "$CONTAINER_NAME" "$1: CONTAINER_NAME"
  look_up_list DOCKER_ARGS; DOCKER_ARGS=(${LIST[@]+"${LIST[@]}"})
  PULL=no; if look_up_switch PULL "$NODE"; then PULL=yes; fi
}

print_docker() {
  print_value IMAGE "$IMAGE"
  print_value PULL "$PULL"
  print_value CONTAINER_NAME "$CONTAINER_NAME"
  print_value DOCKER_ARGS "$(quote ${DOCKER_ARGS[@]+"${DOCKER_ARGS[@]}"})"
}

# Sets STATE (running, starting, ended, absent), EXIT_CODE and OLD_FINGERPRINT.
state_docker() {
  local out
  out=$(on_node docker inspect --type container --format \
    "{{.State.Status}} {{.State.ExitCode}} {{index .Config.Labels \"$LABEL\"}}" \
    "$CONTAINER_NAME" 2>&1) || {
    STATE=absent EXIT_CODE='' OLD_FINGERPRINT=''
    [[ ${out,,} == *"no such"* ]] || { trouble "its state cannot be read: $out"; return "$EXIT_UNREACHABLE"; }
    return 0
  }
  read -r STATE EXIT_CODE OLD_FINGERPRINT <<<"$out"
  case $STATE in
    running) ;;
    restarting | paused) STATE=starting ;;
    *) STATE=ended ;;
  esac
}

# What the name of the image stands for where the node is. A dry run does not
# pull, so it speaks of what is there.
content_docker() {
  local out
  CONTENT=''
  if [ "$PULL" = yes ] && [ "$DRY_RUN" = no ]; then
    out=$(on_node docker pull --quiet "$IMAGE" 2>&1) || {
      trouble "the image cannot be pulled: $out"; return "$EXIT_NOT_STARTED"; }
  fi
  CONTENT=$(on_node docker image inspect --format '{{.Id}}' "$IMAGE" 2>/dev/null) ||
    [ "$DRY_RUN" = yes ] || {
      trouble "there is no image '$IMAGE'"; return "$EXIT_NOT_STARTED"; }
}

items_docker() {
  ITEMS=("$IMAGE" "$CONTAINER_NAME" "${#DOCKER_ARGS[@]}" ${DOCKER_ARGS[@]+"${DOCKER_ARGS[@]}"})
}

# Asks it to end, as its image says. `docker stop` would kill it after the grace.
ask_docker() {
  local out signal until=$((SECONDS + GRACE_SECONDS))
  signal=$(on_node docker inspect --type container --format '{{.Config.StopSignal}}' \
    "$CONTAINER_NAME" 2>&1) || { trouble "docker inspect: $signal"; return "$EXIT_NOT_STOPPED"; }
  # Whoever is asked to end is not started again by the engine.
  out=$(on_node docker update --restart no "$CONTAINER_NAME" 2>&1) || {
    trouble "docker update: $out"; return "$EXIT_NOT_STOPPED"; }
  if out=$(on_node docker kill --signal "${signal:-SIGTERM}" "$CONTAINER_NAME" 2>&1); then
    while state_docker || return; [[ $STATE = running || $STATE = starting ]]; do
      [ "$SECONDS" -lt "$until" ] || { out="it is still there after $GRACE_SECONDS s"; break; }
      sleep 0.2 9>&-
    done
  else
    out="docker kill: $out"
    # Perhaps it has just ended by itself.
    state_docker || return
  fi
  [[ $STATE = running || $STATE = starting ]] || return 0
  trouble "$out"
  out=$(on_node docker update --restart unless-stopped "$CONTAINER_NAME" 2>&1) ||
    trouble "the engine will not start it again: docker update: $out"
  return "$EXIT_NOT_STOPPED"
}

stop_docker() {
  local out
  [ "$STATE" != absent ] || return 0
  if [ "$STATE" != ended ]; then
    if [ "$FORCE_KILL" = yes ]; then
      out=$(on_node docker stop -t "$GRACE_SECONDS" "$CONTAINER_NAME" 2>&1) || {
        trouble "docker stop: $out"; return "$EXIT_NOT_STOPPED"; }
    else ask_docker || return; fi
    state_docker || return
  fi
  say "stopped ($(tell_exit_code "$EXIT_CODE"))"
  out=$(on_node docker rm "$CONTAINER_NAME" 2>&1) || {
    trouble "docker rm: $out"; return "$EXIT_NOT_STOPPED"; }
}

start_docker() {
  local out pair args=(--detach --name "$CONTAINER_NAME" --restart unless-stopped
    --label "$LABEL=$FINGERPRINT")
  [ -z "$MEMORY_LIMIT" ] || args+=("--memory=$MEMORY_LIMIT")
  [ -z "$MEMORY_SWAP" ] || args+=("--memory-swap=$MEMORY_SWAP")
  for pair in ${ENVIRONMENT[@]+"${ENVIRONMENT[@]}"}; do args+=(--env "$pair"); done
  out=$(on_node docker run "${args[@]}" ${DOCKER_ARGS[@]+"${DOCKER_ARGS[@]}"} "$IMAGE" \
    ${COMMAND[@]+"${COMMAND[@]}"} 2>&1) || { trouble "docker run: $out"; return "$EXIT_NOT_STARTED"; }
}
