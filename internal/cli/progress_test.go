package cli

import "testing"

func TestWhatWaitsForTheStoreIsTold(t *testing.T) {
	total := work{bytes: 100}
	if m := (work{bytes: 20, read: 90}).status(total, 0); m.BytesDone != 20 || m.BytesRead != 90 || m.PercentDone != 0.2 {
		t.Errorf("%+v", m)
	}
	if m := (work{bytes: 100, read: 400}).status(total, 0); m.TotalBytes != 400 || m.PercentDone != 0.25 {
		t.Errorf("of more than was expected: %+v", m)
	}
	if m := (work{bytes: 90, read: 90}).status(total, 0); m.BytesRead != 0 {
		t.Errorf("%+v", m)
	}
}
