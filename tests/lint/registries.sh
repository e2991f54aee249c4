# Every file of a registry has its row and every row its file; configs/REFERENCE.md is what the program prints; every configuration
# passes `futago config check`, and the article's literal one is refused with the proof; what README tells people to run exists.
set -eu
futago=$(realpath "${1:-build/dev}")/futago
cd "${2:-.}"
failed=0
complain()
{
    printf '%s\n' "$1"
    failed=1
}

# registry FILE MACRO FOLDER SYMBOL TYPE: each row's symbol is defined in the folder, each definition in the folder has a row.
registry()
{
    local rows defined
    rows=$(sed -nE "s/^$2\(([a-z0-9_]+).*/\1/p" "$1" | sort)
    defined=$(grep -hoE "^$5$4[a-z0-9_]+( =|\()" "$3"/*.c "$3"/*/*.c 2>/dev/null | sed -E "s/.*$4([a-z0-9_]+)( =|\()/\1/" | sort -u)
    [ -n "$rows" ] || complain "$1 has no rows"
    [ "$rows" = "$defined" ] || complain "$1 and the files of $3 differ (< row, > definition):
$(diff <(echo "$rows") <(echo "$defined") | grep '^[<>]' || true)"
}
registry core/backbone/backbones.def FUT_BACKBONE core/backbone fut_backbone_ 'const fut_backbone '
registry core/loss/losses.def FUT_LOSS core/loss fut_loss_ 'const fut_opt_choice '
registry core/miner/miners.def FUT_MINER core/miner fut_miner_ 'const fut_opt_choice '
registry core/optim/optimizers.def FUT_OPTIM core/optim fut_optim_ 'const fut_opt_choice '
registry core/sched/schedules.def FUT_SCHED core/sched fut_sched_ 'const fut_opt_choice '
registry core/backend/backends.def FUT_BACKEND core/backend fut_backend_create_ 'fut_status '
registry data/augments.def FUT_AUGMENT data fut_augment_ 'const fut_opt_choice '
for file in launch/cmd_*.c; do
    name=${file#launch/cmd_}
    grep -q "^FUT_COMMAND(${name%.c}," launch/commands.def || complain "$file has no row in launch/commands.def"
done
for name in $(sed -nE 's/^FUT_COMMAND\(([a-z_]+),.*/\1/p' launch/commands.def); do
    [ -f "launch/cmd_$name.c" ] || complain "launch/commands.def: $name has no launch/cmd_$name.c"
done

"$futago" config reference | diff -u configs/REFERENCE.md - || complain 'configs/REFERENCE.md is stale: futago config reference >configs/REFERENCE.md'
for file in configs/*.yaml; do
    status=0
    said=$("$futago" config check "$file" 2>&1) || status=$?
    if [ "$file" = configs/article_verbatim.yaml ]; then
        [ $status -eq 78 ] || complain "$file: config check says $status, expected the refusal, 78"
        case $said in *collapsed_minimum*) ;; *) complain "$file: the refusal does not name collapsed_minimum: $said" ;; esac
    else
        [ $status -eq 0 ] || complain "$file: config check says $status: $said"
    fi
done

# README's and docs' commands and files exist.
for name in $(grep -hE '^    |`futago ' README.md CONTRIBUTING.md docs/*.md */README.md | grep -oE '(^|[ `])futago [a-z][a-z-]*' | tr - _ | awk '{ print $NF }' | sort -u); do
    grep -q "^FUT_COMMAND($name," launch/commands.def || complain "README.md or docs/: there is no command futago $name"
done
for path in $(grep -ohE '\b(launch|tests|configs|docs|core|data|dist|docker)/[A-Za-z0-9_/]+\.(sh|yaml|md|c|h|def|py|cpu)\b' README.md CONTRIBUTING.md docs/*.md | sort -u); do
    [ -e "$path" ] || complain "README.md, CONTRIBUTING.md or docs/: $path does not exist"
done
exit $failed
