# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# Lists, environments and sizes: from what an operator wrote to what a runner
# is given.

# split_list TEXT: sets LIST. Blanks, tabs, carriage returns and newlines
# separate; `read` takes no part of it for a file name.
split_list() {
  local text=${1//[$'\t\r\n']/ }
  LIST=()
  IFS=' ' read -r -d '' -a LIST <<<"$text" || true
  # A here-string ends with a newline, which is no separator above.
  local last=$((${#LIST[@]} - 1))
  if [ "$last" -ge 0 ]; then
    LIST[last]=${LIST[last]%$'\n'}
    [ -n "${LIST[last]}" ] || unset "LIST[last]"
  fi
}

# check_pair WHOSE LIST-NAME PAIR
check_pair() {
  local key=${3%%=*}
  [[ $3 == *=* ]] || usage_error "$1: $2: pair '$3' has no '=' (key '$key')"
  [ -n "$key" ] || usage_error "$1: $2: pair '$3' has an empty key ('')"
  [[ $key =~ ^[A-Za-z_][A-Za-z0-9_]*$ ]] ||
    usage_error "$1: $2: pair '$3': the key '$key' is not [A-Za-z_][A-Za-z0-9_]*"
}

# merge_environment WHOSE DEFAULTS OPERATORS: sets ENVIRONMENT, the defaults
# whose keys the operator does not give, then the operator's pairs.
merge_environment() {
  local pair keys=' ' defaults=()
  ENVIRONMENT=()
  split_list "$2"
  defaults=(${LIST[@]+"${LIST[@]}"})
  split_list "$3"
  for pair in ${defaults[@]+"${defaults[@]}"}; do check_pair "$1" DEFAULT_EXTRA_ENV "$pair"; done
  for pair in ${LIST[@]+"${LIST[@]}"}; do
    check_pair "$1" EXTRA_ENV "$pair"
    keys+="${pair%%=*} "
  done
  for pair in ${defaults[@]+"${defaults[@]}"}; do
    [[ $keys == *" ${pair%%=*} "* ]] || ENVIRONMENT+=("$pair")
  done
  ENVIRONMENT+=(${LIST[@]+"${LIST[@]}"})
}

# parse_size TEXT: sets BYTES from what both docker and Go write (2500m, 1800MiB,
# 3g, 512); units are powers of 1024. Fails if it is none, is 0 or is absurd.
parse_size() {
  local text=${1,,} unit shift=0
  [[ $text =~ ^([0-9]{1,18})(b|[kmgt](i?b)?)?$ ]] || return 1
  unit=${BASH_REMATCH[2]:0:1}
  case $unit in k) shift=10 ;; m) shift=20 ;; g) shift=30 ;; t) shift=40 ;; esac
  BYTES=$((10#${BASH_REMATCH[1]}))
  [ "$BYTES" -gt 0 ] && [ "$BYTES" -le $((1000000000000000000 >> shift)) ] || return 1
  BYTES=$((BYTES << shift))
}

# Quoted for any POSIX shell: a remote one need not be this one.
quote() {
  local arg out='' inside="'\\''"
  for arg in "$@"; do
    if [[ $arg =~ ^[A-Za-z0-9_./:=@%+,-]+$ ]]; then out+=" $arg"
    else out+=" '${arg//\'/"$inside"}'"; fi
  done
  printf '%s' "${out# }"
}

# fingerprint_of ITEM...: no two lists of items have the same text.
fingerprint_of() {
  local sum
  sum=$(printf '%s\0' "$@" | sha256sum)
  printf '%s' "${sum%% *}"
}
