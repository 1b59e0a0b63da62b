#!/bin/sh
# Judge what is checked out here, as a change of a branch: ci/judge.sh JOB PROJECT BRANCH
# Leaves result.json, junit.xml, result.sarif and comment.md; the exit status is the verdict.
set -eu
job=$1 project=$2 branch=$3
rm -f result.json junit.xml result.sarif comment.md

# thcore fetches from a repository that holds both sides: the branch as it is, and what is checked out here.
repository=/tmp/thcore/git/$project
change=refs/changes/$(git rev-parse HEAD)
git init --quiet --bare "$repository"
git fetch --quiet "${ORIGIN:-origin}" "+refs/heads/$branch:refs/remotes/origin/$branch"
git push --quiet --force "$repository" "refs/remotes/origin/$branch:refs/heads/$branch" "HEAD:$change"

verdict=0
thcore run "$job" --config ci/thcore.yaml --project "$project" --branch "$branch" \
  --ref "$change" --json > result.json || verdict=$?
if [ -s result.json ]; then
  thcore show result.json
  thcore show --format junit result.json > junit.xml
  thcore show --format sarif result.json > result.sarif
  thcore show --format markdown result.json > comment.md
fi
exit "$verdict"
