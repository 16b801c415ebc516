#!/bin/sh
# Commits Fleet's bundle for an environment and a version to the branch that Fleet follows.
#
#   push.sh ENVIRONMENT VERSION
#
# Every delivery is one commit on deployed/ENVIRONMENT; to roll back, revert it there.
set -eu
environment=$1
version=$2
branch=deployed/$environment
root=$(cd "$(dirname "$0")/../.." && pwd)
work=$(mktemp -d)
trap 'git -C "$root" worktree remove --force "$work/tree" 2>/dev/null || true; rm -rf "$work"' EXIT

cd "$root"
if git fetch --quiet origin "$branch" 2>/dev/null; then
    git worktree add --quiet --detach "$work/tree" FETCH_HEAD
else
    git worktree add --quiet --detach "$work/tree"
    git -C "$work/tree" checkout --quiet --orphan "delivery-$$"
fi
# The branch contains only the bundle.
git -C "$work/tree" rm -rfq --ignore-unmatch .
python3 deploy/delivery/deliver.py write "$environment" "$version" "$work/tree"

cd "$work/tree"
git add -A
if git rev-parse --quiet --verify HEAD > /dev/null && git diff --cached --quiet HEAD; then
    echo "$environment already has $version"
    exit 0
fi
git -c user.name=delivery -c user.email=delivery@localhost \
    commit --quiet --message "$environment: $version"
git push --quiet origin "HEAD:refs/heads/$branch"
echo "delivered $version to $environment"
