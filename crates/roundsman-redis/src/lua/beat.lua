-- The owner lives: its lease goes on. ARGV: epoch, now, its token, the lease in milliseconds.

local refusal = fence()
if refusal then return refusal end
call('SET', OWNER, ARGV[3], 'PX', ARGV[4])
return 'OK'
