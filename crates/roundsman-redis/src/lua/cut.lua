-- After a crash: the attempts of one claim are counted as cut off, and it is closed.
--
-- ARGV: epoch, now, the claim's field, whether its one member went alone, how many cuts alone are
-- too many; then of each member its lane, sequence, attempt.

local refusal = fence()
if refusal then return refusal end
local alone, most = ARGV[4] ~= '', tonumber(ARGV[5])
for at = 6, #ARGV, 3 do
  local seq, attempt = ARGV[at + 1], tonumber(ARGV[at + 2])
  local record = find(seq)
  if record and record.lane == ARGV[at] and record.due == '' then
    local past = past_of(seq)
    if past.a < attempt then
      conclude(past, attempt)
      past.c = (past.c or 0) + 1
      if alone then past.o = (past.o or 0) + 1 end
      -- Alone in flight when the process ended, again and again: it takes the process with it.
      if alone and past.o >= most then bury(seq, record, past, 'crash') else remember(seq, past) end
    end
  end
end
call('HDEL', CLAIMS, ARGV[3])
return 'OK'
