package service

import "holdfast/internal/event"

// collected takes events.
type collected []event.Event

// Emit implements event.Sink.
func (c *collected) Emit(e event.Event) { *c = append(*c, e) }
