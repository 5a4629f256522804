package httpx_test

import (
	"errors"
	"testing"
	"time"

	"holdfast/storage"
	"holdfast/storage/internal/httpx"
)

func TestSkew(t *testing.T) {
	begun := time.Date(2025, 6, 1, 12, 0, 0, 500e6, time.UTC)
	ended := begun.Add(2 * time.Second)
	for said, want := range map[time.Duration]time.Duration{
		-500 * time.Millisecond:      0, // this very second, cut off
		time.Second:                  0,
		2 * time.Second:              0,
		10 * time.Second:             8 * time.Second,
		-10 * time.Second:            -9 * time.Second,
		-25 * time.Hour:              -25*time.Hour + time.Second,
		2*time.Second + 24*time.Hour: 24 * time.Hour,
	} {
		if got := httpx.Skew(begun.Add(said), begun, ended); got != want {
			t.Errorf("Skew of a service that says %v = %v, want %v", said, got, want)
		}
	}
}

func TestPartsAreSentAgain(t *testing.T) {
	failures, tries := 3, 0
	err := httpx.Send(storage.Bytes(nil)).Again(t.Context(), time.Microsecond, func() error {
		if tries++; tries <= failures {
			return errors.New("lost")
		}
		return nil
	})
	if err != nil || tries != 4 {
		t.Errorf("Again = %v after %d tries, want nil after 4", err, tries)
	}
	for want, failure := range map[int]error{5: errors.New("lost"), 1: storage.ErrExists} {
		tries = 0
		err = httpx.Send(storage.Bytes(nil)).Again(t.Context(), time.Microsecond, func() error { tries++; return failure })
		if err != failure || tries != want {
			t.Errorf("Again = %v after %d tries, want %v after %d", err, tries, failure, want)
		}
	}
}
