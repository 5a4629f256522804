#!/bin/sh
# Makes snapshots.zip: a restic v0.18.1 repository without data, whose
# snapshots lie at times where retention rules meet their edges. Each host is
# one group for forget. Takes about a minute; the password is "x".
set -eu
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
mkdir empty
export RESTIC_REPOSITORY=repo RESTIC_PASSWORD=x RESTIC_CACHE_DIR=cache
restic init --quiet

# snapshot ZONE HOST TIME [TAG,TAG]
snapshot() {
	TZ=$1 restic backup empty --quiet --host "$2" --time "$3" ${4:+--tag "$4"}
}

# Several in an hour, and the night in which Berlin has 02:30 twice.
for at in "24 09:05" "24 09:55" "24 10:10" "24 23:59" "25 00:00" "25 00:30" "25 01:10" "25 01:50" "25 02:30" \
	"25 03:00" "25 03:20" "25 11:00" "25 11:01" "25 11:02" "26 08:00" "26 08:40"; do
	snapshot Europe/Berlin dense "2020-10-$at:00"
done
snapshot UTC dense "2020-10-25 00:40:00"
snapshot UTC dense "2020-10-25 01:40:00"

# Irregular days over three months.
n=0
for at in "01-01 00:10" "01-03 12:00" "01-03 18:00" "01-04 03:00" "01-09 03:00" "01-10 03:00" "01-11 03:00" \
	"01-17 23:30" "01-18 00:30" "01-24 03:00" "01-31 03:00" "01-31 23:00" "02-01 01:00" "02-03 03:00" "02-07 03:00" \
	"02-14 03:00" "02-21 03:00" "02-28 03:00" "02-28 21:00" "03-01 03:00" "03-07 03:00" "03-14 03:00" "03-29 03:00" \
	"03-30 03:00" "03-31 03:00" "03-31 09:00" "03-31 21:00"; do
	case $((n % 5)) in 0) tags=a ;; 1) tags=b,c ;; 2) tags=a,b ;; *) tags= ;; esac
	snapshot UTC days "2021-$at:00" "$tags"
	n=$((n + 1))
done

# Six years in two zones, with the days around New Year that belong to an ISO
# week of the other year.
n=0
for at in 2015-06-01 2015-12-31 2016-01-01 2016-01-03 2016-01-04 2017-03-15 2018-12-30 2018-12-31 2019-01-01 \
	2019-07-04 2020-02-29 2020-08-15 2020-12-27 2020-12-28 2020-12-31 2021-01-01 2021-01-03 2021-01-04; do
	case $((n % 2)) in 0) zone=America/New_York ;; *) zone=Asia/Tokyo ;; esac
	snapshot $zone years "$at 22:15:00"
	n=$((n + 1))
done

# A history shorter than most policies, and one of a single snapshot.
for at in "06-01 10:00" "06-01 10:20" "06-01 10:40"; do
	snapshot UTC young "2022-$at:00" a
done
snapshot UTC lone "2022-06-01 10:00:00"

rm -rf repo/data repo/index repo/locks
rm -f "$here/snapshots.zip"
python3 -m zipfile -c "$here/snapshots.zip" repo/config repo/keys repo/snapshots
