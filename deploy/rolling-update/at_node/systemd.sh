# shellcheck shell=sh
# SPDX-License-Identifier: Apache-2.0
# What rolling-update does with a unit, where the unit is.
#   state UNIT DIR                        prints STATE EXIT-CODE FINGERPRINT
#   apply UNIT DIR LIMIT FINGERPRINT TEXT drop-in, daemon-reload, restart
set -eu
verb=$1 unit=$2 dir=$3/$2.d
stamp=$dir/50-rolling-update.fingerprint

case $verb in
  state)
    loaded='' active='' code=''
    properties=$(systemctl show --property=LoadState,ActiveState,ExecMainStatus "$unit")
    for line in $properties; do
      case $line in
        LoadState=*) loaded=${line#*=} ;;
        ActiveState=*) active=${line#*=} ;;
        ExecMainStatus=*) code=${line#*=} ;;
      esac
    done
    [ "$loaded" = loaded ] || { echo "unit $unit is ${loaded:-unknown}" >&2; exit 1; }
    case $active in
      active) state=running ;;
      activating | reloading | deactivating) state=starting ;;
      *) state=ended ;;
    esac
    fingerprint=''
    [ ! -r "$stamp" ] || fingerprint=$(cat "$stamp")
    echo "$state ${code:-unknown} $fingerprint" ;;
  apply)
    limit=$4 fingerprint=$5 text=$6
    # The fingerprint stands there only when what it names has been started.
    mkdir -p "$dir"
    rm -f "$stamp"
    (umask 022; printf '%s\n' "$text" >"$dir/.rolling-update.new")
    mv "$dir/.rolling-update.new" "$dir/50-rolling-update.conf"
    systemctl daemon-reload
    systemctl restart "$unit"
    # A later drop-in would win over this one.
    inforce=$(systemctl show --property=MemoryMax --value "$unit")
    [ "$inforce" = "$limit" ] || {
      echo "MemoryMax of $unit is $inforce, not $limit: another drop-in sets it" >&2
      exit 1
    }
    printf '%s\n' "$fingerprint" >"$stamp" ;;
esac
