package history

// AppendUnflushed is Append without the flush: tests write many runs.
func (h *History) AppendUnflushed(r Run) error {
	line, err := encode(&r)
	if err != nil {
		return err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if _, err := h.file.WriteAt(line, h.open.onDisk); err != nil {
		return err
	}
	h.open.onDisk += int64(len(line))
	h.open.note(r.Plan, r.Ended, len(line))
	h.remember(r.Plan, line)
	return h.sealIfDue()
}

// ReadSealed returns what is in a sealed segment.
func ReadSealed(path string) ([]byte, error) { return readSealed(path, 0) }
