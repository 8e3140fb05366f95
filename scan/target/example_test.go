package target_test

import (
	"context"
	"fmt"

	"onmux/probe"
	"onmux/scan/target"
)

// A plan of one port on a network without two of its addresses, and the order in which a
// scan with seed 1 takes them.
func ExampleNewPlan() {
	plan, err := target.NewPlan(context.Background(), target.Config{
		Targets: []string{"192.0.2.0/29"},
		Exclude: []string{"192.0.2.0", "192.0.2.7"},
		Ports:   []probe.Port{{Number: 417, Proto: probe.TCP}},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(plan.Len(), "endpoints, the first is", plan.At(0))
	order, seen := target.NewOrder(plan.Len(), 1), make(map[string]bool)
	for position := range plan.Len() {
		seen[plan.At(order.Index(position)).String()] = true
	}
	fmt.Println(len(seen), "in the order")
	// Output:
	// 6 endpoints, the first is 192.0.2.1:417/tcp
	// 6 in the order
}
