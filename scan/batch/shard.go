package batch

import (
	"cmp"
	"fmt"
	"strconv"
	"strings"

	"onmux/probe/wording"
	"onmux/scan/target"
)

// Total is the variable of the number of shards, for batch systems that have none.
const Total = "ONMUX_SHARDS"

// maxShards bounds what the variables may claim; two of them are multiplied.
const maxShards = 1<<16 - 1

// task is the place of a process among those of a job.
type task struct {
	system string
	index  uint64   // from 0
	total  uint64   // 0 if no variable of the system has it
	from   []string // variables: of the index, then of the total
}

// Shard is the shard of a process with the environment getenv, and the variables that it is from.
func Shard(getenv func(string) string) (target.Shard, []string, error) {
	env := environment(getenv)
	total, err := env.number(Total)
	if err != nil {
		return target.Shard{}, nil, err
	}
	if total == 0 && getenv(Total) != "" {
		return target.Shard{}, nil, env.wrong(Total, "the number of tasks, from 1")
	}
	tasks, err := env.tasks()
	if err != nil {
		return target.Shard{}, nil, err
	}
	if len(tasks) == 0 {
		var names []string
		for _, s := range systems() {
			names = append(names, s.index)
		}
		return target.Shard{}, nil, usage(
			fmt.Sprintf("none of %s and %s is set: give --shard I/N", strings.Join(names, ", "), taskIndex),
			"no batch system has numbered this process")
	}
	t := tasks[0]
	for _, other := range tasks[1:] {
		if t.index != other.index || cmp.Or(t.total, total) != cmp.Or(other.total, total) {
			return target.Shard{}, nil, usage("unset those of the one whose tasks are no shards, or give --shard I/N",
				"%s (%s) and %s (%s) number this process differently", t.system, strings.Join(t.from, ", "),
				other.system, strings.Join(other.from, ", "))
		}
	}
	switch {
	case t.total == 0 && total == 0:
		return target.Shard{}, nil, usage(
			fmt.Sprintf("no variable of %s has the number of tasks: set %s to it", t.system, Total),
			"%s is set, and %s is not", t.from[0], Total)
	case t.total == 0:
		t.total, t.from = total, append(t.from, Total)
	case total != 0 && total != t.total:
		return target.Shard{}, nil, usage(
			"where only some tasks of a job are repeated, give each as --shard I/N",
			"%s is %d, and this job of %s has %d tasks (%s)", Total, total, t.system, t.total, strings.Join(t.from, ", "))
	}
	if t.total > maxShards {
		return target.Shard{}, nil, usage(fmt.Sprintf("%d at most", maxShards), "%d tasks are too many", t.total)
	}
	if t.index >= t.total {
		return target.Shard{}, nil, usage("both must be of the same job",
			"%s is %s, and %s is %d", t.from[0], getenv(t.from[0]), t.from[len(t.from)-1], t.total)
	}
	return target.Shard{I: int(t.index) + 1, N: int(t.total)}, t.from, nil
}

// environment has the value of a variable; "" if it is not set.
type environment func(string) string

// tasks has the variables in which each batch system describes the process; two may, as GNU parallel in a job of Slurm.
func (env environment) tasks() ([]task, error) {
	step, err := env.stepTask()
	if err != nil {
		return nil, err
	}
	var all []task
	for _, s := range systems() {
		if v := env(s.index); v == "" || v == s.none {
			continue
		}
		t, err := env.task(s)
		if err != nil {
			return nil, err
		}
		if s.index == arrayIndex && step != nil {
			// Each job of an array may have a step of several tasks. Its batch script is no step.
			if env(stepTotal) != "" {
				t.index, t.total = t.index*step.total+step.index, t.total*step.total
				t.from = append(t.from, step.from...)
			}
			step = nil
		}
		all = append(all, t)
	}
	if step != nil {
		all = append(all, *step)
	}
	return all, nil
}

// task is the process's place by the variables of a system.
func (env environment) task(s system) (task, error) {
	t := task{system: s.name, from: []string{s.index}}
	index, err := env.number(s.index)
	if err != nil {
		return t, err
	}
	if s.first != "" {
		return env.arrayTask(s, t, index)
	}
	if index < s.base {
		return t, env.wrong(s.index, fmt.Sprintf("the first task is %d", s.base))
	}
	t.index = index - s.base
	if s.total != "" {
		t.total, err = env.required(s.total)
		t.from = append(t.from, s.total)
	}
	return t, err
}

// arrayTask is the task with an ID of an array: first, first+step, ... last.
func (env environment) arrayTask(s system, t task, id uint64) (task, error) {
	first, err1 := env.required(s.first)
	last, err2 := env.required(s.last)
	step, err3 := env.number(s.step)
	count, err4 := env.number(s.total)
	if err := cmp.Or(err1, err2, err3, err4); err != nil {
		return t, err
	}
	if id < first || id > last {
		return t, env.wrong(s.index, fmt.Sprintf("%s is %d and %s is %d", s.first, first, s.last, last))
	}
	step = max(step, 1)
	t.index, t.total = (id-first)/step, (last-first)/step+1
	t.from = append(t.from, s.first, s.last)
	if (id-first)%step != 0 || count != 0 && count != t.total {
		return t, usage("number the tasks without gaps, as 0-7 or 1-15:2, or give --shard I/N",
			"the IDs of this array of %s, from %d to %d, have gaps, so that none is the number of a shard", s.name, first, last)
	}
	return t, nil
}

// stepTask is the task of a step of Slurm; nil without one.
func (env environment) stepTask() (*task, error) {
	if env(taskIndex) == "" {
		return nil, nil
	}
	index, err := env.number(taskIndex)
	if err != nil {
		return nil, err
	}
	total := stepTotal
	if env(total) == "" {
		total = allocation
	}
	t := task{system: "Slurm", index: index, from: []string{taskIndex, total}}
	if t.total, err = env.required(total); err == nil && index >= t.total {
		err = env.wrong(taskIndex, fmt.Sprintf("%s is %d, and the first task is 0", total, t.total))
	}
	return &t, err
}

// number is a variable's value; 0 if it is not set.
func (env environment) number(name string) (uint64, error) {
	v := env(name)
	if v == "" {
		return 0, nil
	}
	n, err := strconv.ParseUint(v, 10, 31)
	if err != nil {
		return 0, env.wrong(name, "a number, in digits")
	}
	return n, nil
}

// required is the value of a variable that must be set.
func (env environment) required(name string) (uint64, error) {
	if env(name) == "" {
		return 0, usage("the batch system sets it for each task; else give --shard I/N", "%s is not set", name)
	}
	return env.number(name)
}

// wrong is the error of a variable with a value that it cannot have.
func (env environment) wrong(name, hint string) error {
	return usage(hint, "%s is %q", name, env(name))
}

func usage(hint, format string, args ...any) error {
	return &wording.UsageError{Err: fmt.Errorf("--shard auto: "+format, args...), Hint: hint}
}
