package batch

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"onmux/probe/wording"
	"onmux/scan/target"
)

// env reads "A=1 B=2".
func env(vars string) func(string) string {
	return func(name string) string {
		for _, v := range strings.Fields(vars) {
			if value, ok := strings.CutPrefix(v, name+"="); ok {
				return value
			}
		}
		return ""
	}
}

// array has the variables of a job of an array of Slurm.
func array(id, first, last, step, count int) string {
	return fmt.Sprintf("SLURM_ARRAY_TASK_ID=%d SLURM_ARRAY_TASK_MIN=%d SLURM_ARRAY_TASK_MAX=%d "+
		"SLURM_ARRAY_TASK_STEP=%d SLURM_ARRAY_TASK_COUNT=%d ", id, first, last, step, count)
}

func TestShard(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		env  string
		want string // I/N by variables, or the error
	}{
		"kubernetes first":  {"JOB_COMPLETION_INDEX=0 ONMUX_SHARDS=8", "1/8 JOB_COMPLETION_INDEX ONMUX_SHARDS"},
		"kubernetes last":   {"JOB_COMPLETION_INDEX=7 ONMUX_SHARDS=8", "8/8 JOB_COMPLETION_INDEX ONMUX_SHARDS"},
		"kubernetes single": {"JOB_COMPLETION_INDEX=0 ONMUX_SHARDS=1", "1/1 JOB_COMPLETION_INDEX ONMUX_SHARDS"},
		"kubernetes beyond": {"JOB_COMPLETION_INDEX=8 ONMUX_SHARDS=8", "JOB_COMPLETION_INDEX is 8, and ONMUX_SHARDS is 8"},
		"kubernetes without a total": {
			"JOB_COMPLETION_INDEX=3", "JOB_COMPLETION_INDEX is set, and ONMUX_SHARDS is not",
		},
		"kubernetes, empty total": {
			"JOB_COMPLETION_INDEX=3 ONMUX_SHARDS=", "JOB_COMPLETION_INDEX is set, and ONMUX_SHARDS is not",
		},
		"total zero":    {"JOB_COMPLETION_INDEX=0 ONMUX_SHARDS=0", `ONMUX_SHARDS is "0"`},
		"total no word": {"JOB_COMPLETION_INDEX=0 ONMUX_SHARDS=many", `ONMUX_SHARDS is "many"`},
		"total minus":   {"JOB_COMPLETION_INDEX=0 ONMUX_SHARDS=-4", `ONMUX_SHARDS is "-4"`},
		"index minus":   {"JOB_COMPLETION_INDEX=-1 ONMUX_SHARDS=4", `JOB_COMPLETION_INDEX is "-1"`},
		"index no word": {"JOB_COMPLETION_INDEX=a ONMUX_SHARDS=4", `JOB_COMPLETION_INDEX is "a"`},
		"index huge":    {"JOB_COMPLETION_INDEX=99999999999 ONMUX_SHARDS=4", `JOB_COMPLETION_INDEX is "99999999999"`},
		"total huge":    {"JOB_COMPLETION_INDEX=1 ONMUX_SHARDS=65536", "65536 tasks are too many"},
		"total only":    {"ONMUX_SHARDS=4", "no batch system has numbered this process"},
		"nothing":       {"", "no batch system has numbered this process"},

		"slurm from 0": {
			array(0, 0, 7, 1, 8), "1/8 SLURM_ARRAY_TASK_ID SLURM_ARRAY_TASK_MIN SLURM_ARRAY_TASK_MAX",
		},
		"slurm from 1": {
			array(8, 1, 8, 1, 8), "8/8 SLURM_ARRAY_TASK_ID SLURM_ARRAY_TASK_MIN SLURM_ARRAY_TASK_MAX",
		},
		"slurm from 100 by 25": {
			array(150, 100, 200, 25, 5), "3/5 SLURM_ARRAY_TASK_ID SLURM_ARRAY_TASK_MIN SLURM_ARRAY_TASK_MAX",
		},
		"slurm 1,3,5,7 as steps": {
			array(7, 1, 7, 2, 4), "4/4 SLURM_ARRAY_TASK_ID SLURM_ARRAY_TASK_MIN SLURM_ARRAY_TASK_MAX",
		},
		"slurm, the step does not meet the end": {
			array(9, 0, 9, 3, 4), "4/4 SLURM_ARRAY_TASK_ID SLURM_ARRAY_TASK_MIN SLURM_ARRAY_TASK_MAX",
		},
		"slurm 1,3,5,7 as a list": {array(3, 1, 7, 1, 4), "the IDs of this array of Slurm, from 1 to 7, have gaps"},
		"slurm off the steps":     {array(4, 1, 7, 2, 4), "the IDs of this array of Slurm, from 1 to 7, have gaps"},
		"slurm above":             {array(9, 0, 7, 1, 8), `SLURM_ARRAY_TASK_ID is "9"`},
		"slurm below":             {array(0, 1, 8, 1, 8), `SLURM_ARRAY_TASK_ID is "0"`},
		"slurm, some tasks again": {
			array(3, 3, 3, 1, 1) + "ONMUX_SHARDS=8", "ONMUX_SHARDS is 8, and this job of Slurm has 1 tasks",
		},
		"slurm, a total that agrees": {
			array(3, 1, 8, 1, 8) + "ONMUX_SHARDS=8", "3/8 SLURM_ARRAY_TASK_ID SLURM_ARRAY_TASK_MIN SLURM_ARRAY_TASK_MAX",
		},
		"slurm without step and count": {
			"SLURM_ARRAY_TASK_ID=3 SLURM_ARRAY_TASK_MIN=0 SLURM_ARRAY_TASK_MAX=3",
			"4/4 SLURM_ARRAY_TASK_ID SLURM_ARRAY_TASK_MIN SLURM_ARRAY_TASK_MAX",
		},
		"slurm without bounds": {"SLURM_ARRAY_TASK_ID=3 SLURM_ARRAY_TASK_COUNT=4", "SLURM_ARRAY_TASK_MIN is not set"},
		"slurm without end":    {"SLURM_ARRAY_TASK_ID=3 SLURM_ARRAY_TASK_MIN=0", "SLURM_ARRAY_TASK_MAX is not set"},

		"srun first":  {"SLURM_PROCID=0 SLURM_NTASKS=4", "1/4 SLURM_PROCID SLURM_NTASKS"},
		"srun last":   {"SLURM_PROCID=3 SLURM_NTASKS=4", "4/4 SLURM_PROCID SLURM_NTASKS"},
		"srun beyond": {"SLURM_PROCID=4 SLURM_NTASKS=4", `SLURM_PROCID is "4"`},
		"srun alone":  {"SLURM_PROCID=1", "SLURM_NTASKS is not set"},
		"srun, a step of fewer tasks than the job": {
			"SLURM_PROCID=1 SLURM_NTASKS=8 SLURM_STEP_NUM_TASKS=2", "2/2 SLURM_PROCID SLURM_STEP_NUM_TASKS",
		},
		"srun in an array": {
			array(2, 1, 3, 1, 3) + "SLURM_PROCID=1 SLURM_NTASKS=4 SLURM_STEP_NUM_TASKS=4",
			"6/12 SLURM_ARRAY_TASK_ID SLURM_ARRAY_TASK_MIN SLURM_ARRAY_TASK_MAX SLURM_PROCID SLURM_STEP_NUM_TASKS",
		},
		"the batch script of an array": {
			array(2, 1, 3, 1, 3) + "SLURM_PROCID=0 SLURM_NTASKS=4",
			"2/3 SLURM_ARRAY_TASK_ID SLURM_ARRAY_TASK_MIN SLURM_ARRAY_TASK_MAX",
		},

		"grid engine": {
			"SGE_TASK_ID=5 SGE_TASK_FIRST=1 SGE_TASK_LAST=9 SGE_TASK_STEPSIZE=2",
			"3/5 SGE_TASK_ID SGE_TASK_FIRST SGE_TASK_LAST",
		},
		"grid engine, no array": {
			"SGE_TASK_ID=undefined SGE_TASK_FIRST=undefined", "no batch system has numbered this process",
		},
		"aws": {
			"AWS_BATCH_JOB_ARRAY_INDEX=9 AWS_BATCH_JOB_ARRAY_SIZE=10",
			"10/10 AWS_BATCH_JOB_ARRAY_INDEX AWS_BATCH_JOB_ARRAY_SIZE",
		},
		"aws beyond": {
			"AWS_BATCH_JOB_ARRAY_INDEX=10 AWS_BATCH_JOB_ARRAY_SIZE=10",
			"AWS_BATCH_JOB_ARRAY_INDEX is 10, and AWS_BATCH_JOB_ARRAY_SIZE is 10",
		},
		"aws without a size": {"AWS_BATCH_JOB_ARRAY_INDEX=1", "AWS_BATCH_JOB_ARRAY_SIZE is not set"},
		"google batch":       {"BATCH_TASK_INDEX=0 BATCH_TASK_COUNT=3", "1/3 BATCH_TASK_INDEX BATCH_TASK_COUNT"},
		"cloud run": {
			"CLOUD_RUN_TASK_INDEX=2 CLOUD_RUN_TASK_COUNT=3", "3/3 CLOUD_RUN_TASK_INDEX CLOUD_RUN_TASK_COUNT",
		},

		"parallel first":  {"PARALLEL_SEQ=1 PARALLEL_JOBSLOT=1 ONMUX_SHARDS=9", "1/9 PARALLEL_SEQ ONMUX_SHARDS"},
		"parallel last":   {"PARALLEL_SEQ=9 PARALLEL_JOBSLOT=2 ONMUX_SHARDS=9", "9/9 PARALLEL_SEQ ONMUX_SHARDS"},
		"parallel from 0": {"PARALLEL_SEQ=0 ONMUX_SHARDS=9", `PARALLEL_SEQ is "0"`},
		"parallel beyond": {"PARALLEL_SEQ=10 ONMUX_SHARDS=9", "PARALLEL_SEQ is 10, and ONMUX_SHARDS is 9"},
		"parallel without a total": {
			"PARALLEL_SEQ=3 PARALLEL_JOBSLOT=1", "PARALLEL_SEQ is set, and ONMUX_SHARDS is not",
		},
		"a slot is no number of a job": {
			"PARALLEL_JOBSLOT=2 ONMUX_SHARDS=4", "no batch system has numbered this process",
		},

		"parallel in a job of slurm": {
			"SLURM_PROCID=0 SLURM_NTASKS=4 PARALLEL_SEQ=3 ONMUX_SHARDS=4",
			"GNU parallel (PARALLEL_SEQ) and Slurm (SLURM_PROCID, SLURM_NTASKS) number this process differently",
		},
		"two systems that agree": {
			"JOB_COMPLETION_INDEX=2 PARALLEL_SEQ=3 ONMUX_SHARDS=4", "3/4 JOB_COMPLETION_INDEX ONMUX_SHARDS",
		},
		"two systems, one without a total": {
			"JOB_COMPLETION_INDEX=2 AWS_BATCH_JOB_ARRAY_INDEX=2 AWS_BATCH_JOB_ARRAY_SIZE=4",
			"Kubernetes (JOB_COMPLETION_INDEX) and AWS Batch (AWS_BATCH_JOB_ARRAY_INDEX, AWS_BATCH_JOB_ARRAY_SIZE) " +
				"number this process differently",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			shard, from, err := Shard(env(tt.env))
			got := fmt.Sprintf("%d/%d %s", shard.I, shard.N, strings.Join(from, " "))
			if err != nil {
				var usage *wording.UsageError
				if !errors.As(err, &usage) || usage.Hint == "" || shard != (target.Shard{}) {
					t.Errorf("%v is %v without a hint, %+v", tt.env, err, shard)
				}
				got = strings.TrimPrefix(err.Error(), "--shard auto: ")
				got = got[:min(len(got), len(tt.want))]
			}
			if got != tt.want {
				t.Errorf("%q is %s (%v), not %s", tt.env, got, err, tt.want)
			}
		})
	}
}

// TestEveryTask holds that the tasks of a job take every shard once, whatever their numbers.
func TestEveryTask(t *testing.T) {
	t.Parallel()
	for name, tasks := range map[string][]string{
		"kubernetes": {"JOB_COMPLETION_INDEX=0", "JOB_COMPLETION_INDEX=1", "JOB_COMPLETION_INDEX=2"},
		"parallel":   {"PARALLEL_SEQ=1", "PARALLEL_SEQ=2", "PARALLEL_SEQ=3"},
		"slurm":      {array(10, 10, 20, 5, 3), array(15, 10, 20, 5, 3), array(20, 10, 20, 5, 3)},
		"srun":       {"SLURM_PROCID=0 SLURM_NTASKS=3", "SLURM_PROCID=1 SLURM_NTASKS=3", "SLURM_PROCID=2 SLURM_NTASKS=3"},
	} {
		taken := make(map[target.Shard]bool)
		for _, task := range tasks {
			shard, _, err := Shard(env(task + " ONMUX_SHARDS=3"))
			if err != nil || shard.N != 3 || !shard.Valid() || taken[shard] {
				t.Errorf("%s: %q is %+v, %v", name, task, shard, err)
			}
			taken[shard] = true
		}
	}
}
