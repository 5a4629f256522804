package s3_test

import (
	"fmt"
	"io"
	"net/http"
	"slices"
	"testing"
	"time"

	"holdfast/storage"
)

// Rules are read in all the forms that services write them in; what is in doubt
// counts as what does harm.
func TestRulesInAllForms(t *testing.T) {
	const day = 24 * time.Hour
	expire := func(days int) storage.LifecycleAction {
		return storage.LifecycleAction{Kind: storage.Expire, After: time.Duration(days) * day}
	}
	christmas := time.Date(2030, 12, 24, 0, 0, 0, 0, time.UTC)
	tests := []struct {
		name, rule string
		want       storage.LifecycleRule
	}{
		{
			"prefix of old", `<Prefix>a/</Prefix><Status>Enabled</Status><Expiration><Days>3</Days></Expiration>`,
			storage.LifecycleRule{Enabled: true, Prefix: "a/", Actions: []storage.LifecycleAction{expire(3)}},
		},
		{
			"no prefix", `<Filter/><Status>Enabled</Status><Expiration><Days>3</Days></Expiration>`,
			storage.LifecycleRule{Enabled: true, Actions: []storage.LifecycleAction{expire(3)}},
		},
		{
			"and", `<Filter><And><Prefix>a/</Prefix><Tag><Key>k</Key><Value>v</Value></Tag><ObjectSizeGreaterThan>5</ObjectSizeGreaterThan></And></Filter><Status>Enabled</Status><Expiration><Days>3</Days></Expiration>`,
			storage.LifecycleRule{Enabled: true, Prefix: "a/", Conditions: []string{"tag k=v", "larger than 5 bytes"}, Actions: []storage.LifecycleAction{expire(3)}},
		},
		{
			"our mark", `<Filter><Tag><Key>holdfast</Key><Value>bulk</Value></Tag></Filter><Status>Enabled</Status><Transition><Days>0</Days><StorageClass>GLACIER</StorageClass></Transition>`,
			storage.LifecycleRule{Enabled: true, MarkedOnly: true, Actions: []storage.LifecycleAction{{Kind: storage.Transition, Class: "GLACIER"}}},
		},
		{
			"on a day", `<Filter/><Status>Enabled</Status><Expiration><Date>2030-12-24T00:00:00.000Z</Date></Expiration>`,
			storage.LifecycleRule{Enabled: true, Actions: []storage.LifecycleAction{{Kind: storage.Expire, At: christmas}}},
		},
		{
			"at once", `<Filter/><Status>Enabled</Status><Expiration><Days>0</Days></Expiration>`,
			storage.LifecycleRule{Enabled: true, Actions: []storage.LifecycleAction{expire(0)}},
		},
		{
			"off", `<Filter/><Status>Disabled</Status><Expiration><Days>3</Days></Expiration>`,
			storage.LifecycleRule{Actions: []storage.LifecycleAction{expire(3)}},
		},
		{
			"on, as others write it", `<Filter/><Status>enabled</Status><Expiration><Days>3</Days></Expiration>`,
			storage.LifecycleRule{Enabled: true, Actions: []storage.LifecycleAction{expire(3)}},
		},
		{
			"markers", `<Filter/><Status>Enabled</Status><Expiration><ExpiredObjectDeleteMarker>true</ExpiredObjectDeleteMarker></Expiration>`,
			storage.LifecycleRule{Enabled: true, Actions: []storage.LifecycleAction{{Kind: storage.ExpireMarkers}}},
		},
		{
			"versions", `<Filter/><Status>Enabled</Status><NoncurrentVersionExpiration><NoncurrentDays>7</NoncurrentDays><NewerNoncurrentVersions>2</NewerNoncurrentVersions></NoncurrentVersionExpiration>`,
			storage.LifecycleRule{Enabled: true, Actions: []storage.LifecycleAction{{Kind: storage.ExpireNoncurrent, After: 7 * day, Versions: 2}}},
		},
		{
			"all versions of what was deleted", `<Filter/><Status>Enabled</Status><DelMarkerExpiration><Days>1</Days></DelMarkerExpiration>`,
			storage.LifecycleRule{Enabled: true, Actions: []storage.LifecycleAction{{Kind: storage.ExpireNoncurrent, After: day}}},
		},
		{
			"all versions", `<Filter/><Status>Enabled</Status><Expiration><Days>3</Days><ExpiredObjectAllVersions>true</ExpiredObjectAllVersions></Expiration>`,
			storage.LifecycleRule{Enabled: true, Actions: []storage.LifecycleAction{expire(3), {Kind: storage.ExpireNoncurrent, After: 3 * day}}},
		},
		{
			"something new beside something harmless", `<Filter/><Status>Enabled</Status><AbortIncompleteMultipartUpload><DaysAfterInitiation>7</DaysAfterInitiation></AbortIncompleteMultipartUpload><Shred><Days>1</Days></Shred>`,
			storage.LifecycleRule{Enabled: true, Unknown: []string{"Shred"}, Actions: []storage.LifecycleAction{{Kind: storage.AbortUploads, After: 7 * day}}},
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			f := newFake(t)
			f.before = func(w http.ResponseWriter, r *http.Request) bool {
				switch q := r.URL.Query(); {
				case q.Has("lifecycle"):
					fmt.Fprintf(w, "<LifecycleConfiguration><Rule>%s</Rule></LifecycleConfiguration>", test.rule)
				case q.Has("versioning"):
					io.WriteString(w, "<VersioningConfiguration/>")
				default:
					return false
				}
				return true
			}
			found, err := open(t, f.options()).Settings(t.Context())
			if err != nil || len(found.Rules) != 1 {
				t.Fatal(found, err)
			}
			got, want := found.Rules[0], test.want
			if got.Enabled != want.Enabled || got.Prefix != want.Prefix || got.MarkedOnly != want.MarkedOnly || !slices.Equal(got.Conditions, want.Conditions) ||
				!slices.Equal(got.Actions, want.Actions) || !slices.Equal(got.Unknown, want.Unknown) {
				t.Errorf("read as %+v, want %+v", got, want)
			}
		})
	}
}
