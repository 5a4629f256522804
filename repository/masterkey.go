package repository

import (
	"encoding/json"
	"fmt"
)

// MasterKey returns the JSON of the key that everything in the repository is
// sealed with, as key files hold it. Whoever has it reads everything, without
// a password and for ever: it is for people who ask for it, and for recovery.
func (r *Repository) MasterKey() ([]byte, error) {
	plain, err := json.Marshal(r.key)
	if err != nil {
		return nil, fmt.Errorf("encode master key: %w", err)
	}
	return plain, nil
}
