-- The owner leaves. ARGV: nothing, now, its token.

if call('GET', OWNER) == ARGV[3] then call('DEL', OWNER) end
return 'OK'
