package recent

// Map holds at most a number of values; the one that was added first is forgotten first. Its
// methods may not be called at the same time.
type Map[K comparable, V any] struct {
	values map[K]V
	ring   []K // of the keys, in the order in which they were added
	oldest int
}

// New returns a Map of at most so many values, which must be > 0.
func New[K comparable, V any](most int) *Map[K, V] {
	return &Map[K, V]{values: make(map[K]V), ring: make([]K, 0, most)}
}

// Get returns the value of a key, if it is remembered.
func (m *Map[K, V]) Get(key K) (value V, known bool) {
	value, known = m.values[key]
	return value, known
}

// Put sets the value of a key, which becomes no newer if it is remembered.
func (m *Map[K, V]) Put(key K, value V) {
	if _, known := m.values[key]; !known {
		if len(m.ring) < cap(m.ring) {
			m.ring = append(m.ring, key)
		} else {
			delete(m.values, m.ring[m.oldest])
			m.ring[m.oldest] = key
			m.oldest = (m.oldest + 1) % len(m.ring)
		}
	}
	m.values[key] = value
}

// Len is how many values are remembered.
func (m *Map[K, V]) Len() int { return len(m.values) }
