#!/bin/sh
# Gives the kubelet the token of a pod's own service account as the credential of its registry (KEP-4412): the kubelet asks
# on stdin, {"kind":"CredentialProviderRequest","image":"...","serviceAccountToken":"..."}, the answer is on stdout; any
# other exit than 0 is an error, said on stderr. The arguments are the hosts that may be given a token.
# Built-ins of POSIX sh only; nothing of the request is ever evaluated or printed but what has been checked.
set -u
LC_ALL=C
export LC_ALL

fail() {
  echo "trow-credential-provider: $1" >&2
  exit 1
}

# The text of the one string member $1 of the request, without escapes.
member() {
  rest=${request#*"\"$1\""}
  [ "$rest" != "$request" ] || fail "the request has no $1"
  case $rest in *"\"$1\""*) fail "the request has $1 more than once" ;; esac
  rest=${rest#"${rest%%[! ]*}"}
  case $rest in :*) rest=${rest#:} ;; *) fail "$1 is no member of the request" ;; esac
  rest=${rest#"${rest%%[! ]*}"}
  case $rest in \"*\"*) rest=${rest#\"} ;; *) fail "$1 is no string" ;; esac
  value=${rest%%\"*}
}

request=
while IFS= read -r line || [ -n "$line" ]; do
  request="$request $line"
  [ ${#request} -le 131072 ] || fail 'the request is too long'
done

case $request in
*'"credentialprovider.kubelet.k8s.io/v1"'*) ;;
*) fail 'the request is not of credentialprovider.kubelet.k8s.io/v1' ;;
esac

member image
host=${value%%/*}
[ "$host" != "$value" ] || fail 'the image names no registry'
case $host in '' | *[!A-Za-z0-9.:-]*) fail 'the host of the image cannot be understood' ;; esac
for allowed; do
  [ "$allowed" != "$host" ] || break
  allowed=
done
[ "${allowed:-}" = "$host" ] || fail "$host is no host of this registry"

member serviceAccountToken
case $value in '' | *[!A-Za-z0-9._-]*) fail 'there is no service account token in the request' ;; esac

printf '{"kind":"CredentialProviderResponse","apiVersion":"credentialprovider.kubelet.k8s.io/v1",'
printf '"cacheKeyType":"Registry","cacheDuration":"0s",'
printf '"auth":{"%s":{"username":"serviceaccount","password":"%s"}}}\n' "$host" "$value"
